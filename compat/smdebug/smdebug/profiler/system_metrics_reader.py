"""System metrics as a list of events, under smdebug's names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from smdebug.profiler.profile_source import ProfileSource
from smdebug.profiler.utils import MICROSECONDS_OF, TimeUnits
from tintype.profiler.readers import JobProfile


@dataclass(frozen=True)
class ProfilerSystemEvent:
    """One number of one sample; `timestamp` is seconds since the epoch."""

    type: str
    name: str
    dimension: str
    value: float
    node_id: str
    timestamp: float


class SystemMetricsReader:
    """System metrics of a job, from its `profiler-output`: a folder or an S3 prefix."""

    def __init__(self, path: str, use_in_memory_cache: bool = False) -> None:
        self.source = ProfileSource(path)
        self.use_in_memory_cache = use_in_memory_cache

    @property
    def profile(self) -> JobProfile:
        """Tintype's reader of the same."""
        return self.source.profile()

    def refresh_event_file_list(self) -> None:
        """Look for what has come since the last time."""
        self.source.refresh()

    def get_timestamp_of_first_available_file(self) -> int:
        """Microseconds since the epoch; 0 when there is none."""
        rows = self.profile.system().rows
        return int(rows["time"][0] * 1e6) if len(rows) else 0

    def get_timestamp_of_latest_available_file(self) -> int:
        """Microseconds since the epoch; 0 when there is none."""
        rows = self.profile.system().rows
        return int(rows["time"][-1] * 1e6) if len(rows) else 0

    def get_events(
        self,
        start_time: float,
        end_time: float,
        unit: TimeUnits = TimeUnits.MICROSECONDS,
        event_type: str | None = None,
        file_suffix_filter: Any = None,
    ) -> list[ProfilerSystemEvent]:
        """What was sampled between two moments, in order of time. Unlike smdebug's, the first sample is among them."""
        system, scale = self.profile.system(), MICROSECONDS_OF[unit] / 1e6
        rows = system.rows
        inside = rows[(rows["time"] >= start_time * scale) & (rows["time"] <= end_time * scale)]
        return [
            ProfilerSystemEvent(one.kind, one.name, one.dimension, float(row["value"]), one.node, float(row["time"]))
            for row in inside
            if (one := system.series[row["series"]]) and event_type in (None, one.kind)
        ]


class LocalSystemMetricsReader(SystemMetricsReader):
    """Of a folder."""


class S3SystemMetricsReader(SystemMetricsReader):
    """Of an S3 prefix."""
