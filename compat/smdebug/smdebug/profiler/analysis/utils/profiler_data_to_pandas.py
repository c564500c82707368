"""A profile as pandas frames, with smdebug's columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from smdebug.profiler.algorithm_metrics_reader import AlgorithmMetricsReader, TraceEvent
from smdebug.profiler.system_metrics_reader import SystemMetricsReader
from smdebug.profiler.utils import us_since_epoch_to_human_readable_time

SYSTEM_COLUMNS = ("timestamp", "timestamp_us", "value", "system_metric", "dimension", "nodeID", "type")
FRAMEWORK_COLUMNS = (
    "start_time", "end_time", "start_time_us", "end_time_us", "tid", "pid", "framework_metric", "step", "bytes",
    "process", "nodeID",
)  # fmt: skip
LOADING = ("DataLoader",)


class PandasFrame:
    """Frames of a profile: a folder or an `s3://` prefix. Columns with `_us` count from the first sample or span."""

    def __init__(self, path: str, use_in_memory_cache: bool = False, scan_interval: float = 5e9) -> None:
        self.system_metrics_reader = SystemMetricsReader(path, use_in_memory_cache)
        self.framework_metrics_reader = AlgorithmMetricsReader(path, use_in_memory_cache)
        extent = self.system_metrics_reader.profile.extent
        self.start_time = int(extent[0] * 1e6) if extent else 0         # microseconds since the epoch

    def get_all_system_metrics(self, selected_system_metrics: Sequence[str] = ()) -> pd.DataFrame:
        """One row for each number of each sample; all, or those of the names given."""
        return self._system(0, np.inf, selected_system_metrics)

    def get_all_framework_metrics(self, selected_framework_metrics: Sequence[str] = ()) -> pd.DataFrame:
        """One row for each span; all, or those of the names given."""
        return self._framework(self.framework_metrics_reader.get_events(0, np.inf), selected_framework_metrics)

    def get_all_dataloader_metrics(self, selected_framework_metrics: Sequence[str] = ()) -> pd.DataFrame:
        """The spans of loaders and of their workers."""
        events = self.framework_metrics_reader.get_events(0, np.inf)
        loading = [one for one in events if one.event_name.startswith(LOADING)]
        return self._framework(loading, selected_framework_metrics)

    def get_profiler_data_by_time(
        self,
        start_time_us: float,
        end_time_us: float,
        cache_metrics: bool = False,
        selected_framework_metrics: Sequence[str] = (),
        selected_system_metrics: Sequence[str] = (),
        get_framework_metrics: bool = True,
        get_system_metrics: bool = True,
    ) -> tuple[pd.DataFrame, pd.DataFrame]:
        """(system metrics, framework metrics) between two moments, microseconds since the epoch."""
        events = self.framework_metrics_reader.get_events(start_time_us, end_time_us) if get_framework_metrics else []
        system = (
            self._system(start_time_us / 1e6, end_time_us / 1e6, selected_system_metrics)
            if get_system_metrics
            else pd.DataFrame(columns=list(SYSTEM_COLUMNS))
        )
        return system, self._framework(events, selected_framework_metrics)

    def get_profiler_data_by_step(
        self,
        start_step: int,
        end_step: int,
        cache_metrics: bool = False,
        selected_framework_metrics: Sequence[str] = (),
        selected_system_metrics: Sequence[str] = (),
        get_framework_metrics: bool = True,
        get_system_metrics: bool = True,
    ) -> tuple[pd.DataFrame, pd.DataFrame]:
        """(system metrics, framework metrics) of the steps from `start_step` to before `end_step`."""
        events = self.framework_metrics_reader.get_events_by_step(start_step, end_step)
        low = min((one.start_time for one in events), default=0.0)
        high = max((one.end_time for one in events), default=0.0)
        system, _ = self.get_profiler_data_by_time(
            low, high, selected_system_metrics=selected_system_metrics, get_framework_metrics=False,
            get_system_metrics=get_system_metrics and bool(events),
        )  # fmt: skip
        return system, self._framework(events if get_framework_metrics else [], selected_framework_metrics)

    def _system(self, start: float, end: float, selected: Sequence[str]) -> pd.DataFrame:
        system = self.system_metrics_reader.profile.system()
        rows = system.rows[(system.rows["time"] >= start) & (system.rows["time"] <= end)]
        series = [system.series[place] for place in rows["series"]]
        at = (rows["time"] * 1e6).astype(np.int64)
        columns: dict[str, Any] = {
            "timestamp": [us_since_epoch_to_human_readable_time(one) for one in at.tolist()],
            "timestamp_us": at - self.start_time,
            "value": rows["value"],
            "system_metric": [one.name for one in series],
            "dimension": [one.dimension for one in series],
            "nodeID": [one.node for one in series],
            "type": [one.kind for one in series],
        }
        frame = pd.DataFrame(columns, columns=list(SYSTEM_COLUMNS))
        return frame[frame["system_metric"].isin(list(selected))] if selected else frame

    def _framework(self, events: Sequence[TraceEvent], selected: Sequence[str]) -> pd.DataFrame:
        rows = [
            (
                us_since_epoch_to_human_readable_time(one.start_time),
                us_since_epoch_to_human_readable_time(one.end_time),
                int(one.start_time) - self.start_time, int(one.end_time) - self.start_time, one.tid, one.pid,
                one.event_name, int(one.event_args.get("step_num", -1)), one.event_args.get("bytes", -1),
                one.event_phase, one.node_id,
            )
            for one in events
            if not selected or one.event_name in selected
        ]  # fmt: skip
        return pd.DataFrame(rows, columns=list(FRAMEWORK_COLUMNS))
