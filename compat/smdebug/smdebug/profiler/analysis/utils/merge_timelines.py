"""One Chrome trace of system metrics and spans, for Perfetto."""

from __future__ import annotations

from enum import Enum
from pathlib import Path

from smdebug.profiler.algorithm_metrics_reader import AlgorithmMetricsReader
from tintype.profiler.timeline import write_timeline


class MergeUnit(Enum):
    """What the ends of a merged timeline are told in."""

    TIME = "time"                       # microseconds since the epoch
    STEP = "step"


class MergedTimeline:
    """Of a profile: a folder, or an S3 prefix, which needs an `output_directory`."""

    def __init__(self, path: str, file_suffix_filter: object = None, output_directory: str | None = None) -> None:
        self.reader = AlgorithmMetricsReader(path)
        self.output_directory = output_directory

    def merge_timeline(self, start: float, end: float, unit: MergeUnit = MergeUnit.TIME) -> str:
        """Write what lies between `start` and `end`; returns the path of the file."""
        low, high = start / 1e6, end / 1e6
        if unit is MergeUnit.STEP:
            events = self.reader.get_events_by_step(int(start), int(end) + 1)
            low = min((one.start_time for one in events), default=0.0) / 1e6
            high = max((one.end_time for one in events), default=0.0) / 1e6
        name = f"{int(high * 1e6)}_merged_timeline.json"
        target = Path(self.output_directory) / name if self.output_directory else None
        return str(write_timeline(self.reader.profile, target, low, high))
