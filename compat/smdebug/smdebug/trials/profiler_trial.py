"""What a rule over the profile of a job is given as its `base_trial`. All times are microseconds since the epoch."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from smdebug.core.logger import get_logger
from smdebug.exceptions import NoMoreProfilerData
from smdebug.profiler.algorithm_metrics_reader import AlgorithmMetricsReader, TraceEvent
from smdebug.profiler.system_metrics_reader import ProfilerSystemEvent, SystemMetricsReader

LOOK_SECONDS = 2.0


class ProfilerTrial:
    """A profile: a folder or an `s3://` prefix, while it is written or afterwards."""

    def __init__(self, name: str, trial_dir: str, output_dir: str = "") -> None:
        self.name, self.path = name, str(trial_dir)
        self.logger = get_logger()
        self.output_dir = output_dir or tempfile.mkdtemp(prefix="smdebug-")
        self.temp_dir = str(Path(self.output_dir) / ".sagemaker-ignore")
        Path(self.temp_dir).mkdir(parents=True, exist_ok=True)
        self.system_metrics_reader = SystemMetricsReader(self.path)
        self.framework_metrics_reader = AlgorithmMetricsReader(self.path)
        self.first_timestamp = 0
        self.get_first_timestamp()

    def job_finished(self) -> bool:
        """Whether nothing more will come."""
        return self.system_metrics_reader.profile.has_ended

    def get_first_timestamp(self) -> int:
        """The first moment of which anything is known; waits for one while the job goes on, and is 0 without any."""
        while not (found := self._extent()[0]) and not self.job_finished():
            time.sleep(LOOK_SECONDS)
            self._refresh()
        self.first_timestamp = found
        return found

    def get_latest_timestamp(self) -> int:
        """The last moment of which anything is known."""
        if not self.job_finished():
            self._refresh()
        return self._extent()[1]

    def wait_for_data(self, end_time: float, start_time: float) -> None:
        """Until there are data up to `end_time`, or the job is over. Raises `NoMoreProfilerData` after the last."""
        while end_time > self.get_latest_timestamp() and not self.job_finished():
            time.sleep(LOOK_SECONDS)
        if start_time >= self.get_latest_timestamp() and self.job_finished():
            raise NoMoreProfilerData(end_time)

    def get_system_metrics(self, start_time: float, end_time: float) -> list[ProfilerSystemEvent]:
        """The samples between two moments."""
        return self.system_metrics_reader.get_events(start_time, end_time)

    def get_framework_metrics(self, start_time: float, end_time: float) -> list[TraceEvent]:
        """The spans between two moments."""
        return self.framework_metrics_reader.get_events(start_time, end_time)

    def _extent(self) -> tuple[int, int]:
        readers = self.system_metrics_reader, self.framework_metrics_reader
        first = [at for one in readers if (at := one.get_timestamp_of_first_available_file())]
        last = [one.get_timestamp_of_latest_available_file() for one in readers]
        return min(first, default=0), max(last)

    def _refresh(self) -> None:
        self.system_metrics_reader.refresh_event_file_list()
        self.framework_metrics_reader.refresh_event_file_list()
