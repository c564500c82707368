"""Statistics of the frames of a profile."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum

import pandas as pd

STEP = "Step:ModeKeys"


class StatsBy(Enum):
    """What statistics of steps are grouped by."""

    TRAINING_PHASE = "training_phase"
    FRAMEWORK_METRICS = "framework_metric"
    PROCESS = "process"


class Resource(Enum):
    """A kind of system metric."""

    CPU = "cpu"
    GPU = "gpu"
    IO = "i/o"
    NETWORK = "network"
    MEMORY = "memory"


class PandasFrameAnalysis:
    """Of the two frames that `PandasFrame` gives."""

    def __init__(self, system_df: pd.DataFrame, framework_df: pd.DataFrame) -> None:
        self.sys_metrics_df, self.framework_metrics_df = system_df, framework_df

    def get_job_statistics(self) -> dict[str, object]:
        """Start, end and duration of the job, and of its training loop, in seconds."""
        times = self.sys_metrics_df["timestamp_us"]
        steps = self.framework_metrics_df[self.framework_metrics_df["framework_metric"].str.startswith(STEP)]
        found: dict[str, object] = {}
        if len(times):
            found["start_time"] = self.sys_metrics_df["timestamp"].iloc[0]
            found["end_time"] = self.sys_metrics_df["timestamp"].iloc[-1]
            found["job_duration_in_seconds"] = float(times.max() - times.min()) / 1e6
        if len(steps):
            first, last = steps["start_time_us"].min(), steps["end_time_us"].max()
            found["training_loop_duration_in_seconds"] = float(last - first) / 1e6
            found["number_of_steps"] = len(steps)
        return found

    def get_step_statistics(self, by: StatsBy = StatsBy.TRAINING_PHASE) -> pd.DataFrame:
        """Durations in microseconds by phase, name or process: mean, std, percentiles, minimum, maximum."""
        frame = self.framework_metrics_df.assign(
            duration_us=self.framework_metrics_df["end_time_us"] - self.framework_metrics_df["start_time_us"]
        )
        if by is StatsBy.TRAINING_PHASE:
            frame = frame[frame["framework_metric"].str.startswith(STEP)]
        key = "process" if by is StatsBy.PROCESS else "framework_metric"
        return frame.groupby(key)["duration_us"].describe(percentiles=[0.05, 0.5, 0.95])

    def get_utilization_stats(
        self, resource: Resource | Sequence[Resource] | None = None, by: StatsBy | None = None
    ) -> pd.DataFrame:
        """Values by kind, dimension and node, or with `TRAINING_PHASE` also by what the training did meanwhile."""
        kinds = [resource] if isinstance(resource, Resource) else list(resource or Resource)
        frame = self.sys_metrics_df[self.sys_metrics_df["type"].isin([one.value for one in kinds])]
        keys = ["type", "dimension", "nodeID"]
        if by is StatsBy.TRAINING_PHASE:
            frame = frame.assign(phase=[self._phase_at(at) for at in frame["timestamp_us"]])
            keys.append("phase")
        return frame.groupby(keys)["value"].describe(percentiles=[0.05, 0.5, 0.95])

    def get_device_usage_stats(
        self, device: Resource | Sequence[Resource] | None = None, utilization_ranges: Sequence[tuple[int, int]] = ()
    ) -> pd.DataFrame:
        """Per cent of the samples of processors and GPUs in each range of utilisation."""
        ranges = list(utilization_ranges) or [(0, 10), (10, 30), (30, 60), (60, 90), (90, 100)]
        kinds = [device] if isinstance(device, Resource) else list(device or (Resource.CPU, Resource.GPU))
        rows = []
        for kind in kinds:
            chosen = self.sys_metrics_df["dimension"].isin(["CPUUtilization", "GPUUtilization"])
            values = self.sys_metrics_df[chosen & (self.sys_metrics_df["type"] == kind.value)]["value"]
            if not len(values):
                continue
            shares = {f"{low}-{high}": 100 * float(values.between(low, high).mean()) for low, high in ranges}
            rows.append({"resource": kind.value, **shares})
        return pd.DataFrame(rows)

    def get_training_phase_intervals(self, phase: str | Sequence[str] = f"{STEP}.TRAIN") -> pd.DataFrame:
        """Start and end, in microseconds, of each span of the phases."""
        wanted = [phase] if isinstance(phase, str) else list(phase)
        chosen = self.framework_metrics_df[self.framework_metrics_df["framework_metric"].isin(wanted)]
        return chosen[["start_time_us", "end_time_us", "framework_metric", "step"]].reset_index(drop=True)

    def _phase_at(self, at: float) -> str:
        steps = self.framework_metrics_df[self.framework_metrics_df["framework_metric"].str.startswith(STEP)]
        inside = steps[(steps["start_time_us"] <= at) & (steps["end_time_us"] >= at)]["framework_metric"]
        return str(inside.iloc[0]) if len(inside) else "other"
