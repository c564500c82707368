"""How the batches of a training came, from the frames of its profile."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

from smdebug.profiler.analysis.notebook_utils.timeline_charts import TimelineCharts
from smdebug.profiler.analysis.utils.profiler_data_to_pandas import PandasFrame

START, WORKER, WAIT, STEP = "DataLoaderIterInitialize", "DataLoaderWorker", "DataLoaderIter", "Step:ModeKeys.TRAIN"


class PT_dataloader_analysis:
    """Each analysis prints what it finds, and returns the frame that it looked at: durations are microseconds."""

    def __init__(self, pandas_frame: PandasFrame) -> None:
        self.pd_data_frame = pandas_frame
        self.initialize_metric, self.dataWorker_metric, self.dataIter_metric, self.step_metric = (
            _with_durations(pandas_frame.get_all_framework_metrics([name])) for name in (START, WORKER, WAIT, STEP)
        )

    def analyze_dataloaderIter_initialization(self) -> pd.DataFrame:
        """How often loaders began, what that took, and with how many workers."""
        loaders = self.pd_data_frame.framework_metrics_reader.profile.spans().loaders
        settings = [f"num_workers={one.get('num_workers')}, pin_memory={one.get('pin_memory')}" for one in loaders]
        _say("starts of a loader", self.initialize_metric)
        print(*dict.fromkeys(settings), sep="\n")
        return self.initialize_metric

    def analyze_dataloaderWorkers(self) -> pd.DataFrame:
        """The batches that worker processes fetched."""
        _say("batches fetched by worker processes", self.dataWorker_metric)
        return self.dataWorker_metric

    def analyze_dataloader_getnext(self) -> pd.DataFrame:
        """The waits of the training for a batch; those of twice the median stand out."""
        _say("waits for a batch", self.dataIter_metric)
        return _standing_out(self.dataIter_metric)

    def analyze_batchtime(self, start_timestamp: float = 0, end_timestamp: float | None = None) -> pd.DataFrame:
        """The steps between two moments (microseconds from the first sample); those of twice the median stand out."""
        steps = self.step_metric
        end = steps["end_time_us"].max() if end_timestamp is None and len(steps) else end_timestamp or 0
        inside = steps[(steps["start_time_us"] >= start_timestamp) & (steps["end_time_us"] <= end)]
        _say("steps", inside)
        return _standing_out(inside)

    def plot_the_window(
        self, start_timestamp: float, end_timestamp: float, select_events: Iterable[str] = (".*",),
        select_dimensions: Iterable[str] = (".*",),
    ) -> TimelineCharts:  # fmt: skip
        """System metrics between two moments, microseconds from the first sample."""
        frame = self.pd_data_frame
        return TimelineCharts(
            frame.system_metrics_reader, frame.framework_metrics_reader, frame.start_time + start_timestamp,
            frame.start_time + end_timestamp, list(select_dimensions), list(select_events),
        )  # fmt: skip


def _with_durations(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(duration_us=frame["end_time_us"] - frame["start_time_us"])


def _standing_out(frame: pd.DataFrame) -> pd.DataFrame:
    return frame[frame["duration_us"] > 2 * frame["duration_us"].median()] if len(frame) else frame


def _say(what: str, frame: pd.DataFrame) -> None:
    if not len(frame):
        print(f"0 {what} were recorded")
        return
    times = frame["duration_us"] / 1e3
    print(f"{len(frame)} {what}: median {times.median():.2f} ms, 95 % {times.quantile(0.95):.2f} ms, "
          f"longest {times.max():.2f} ms")  # fmt: skip
