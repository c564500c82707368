"""Framework metrics as a list of trace events, under smdebug's names."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from smdebug.profiler.profile_source import ProfileSource
from smdebug.profiler.utils import MICROSECONDS_OF, TimeUnits
from tintype.profiler.phases import MODES, PHASES, STEP_PREFIX
from tintype.profiler.readers import JobProfile

# smdebug's names of the phases that it knows; the others have ours
EVENT_OF_PHASE = {"data_wait": "DataLoaderIter", "forward": "Forward", "backward": "Backward(post-forward)"}


@dataclass(frozen=True)
class TraceEvent:
    """One span; times are microseconds since the epoch."""

    event_name: str
    event_phase: str
    start_time: float
    end_time: float
    duration: float
    node_id: str
    event_args: dict[str, Any] = field(default_factory=dict)
    pid: int = 0
    tid: int = 0
    phase_pid: int = 0
    phase_tid: int = 0
    file_type: str = "pythontimeline"
    process_info: Any = None


class AlgorithmMetricsReader:
    """Framework metrics of a job, from its `profiler-output`: a folder or an S3 prefix."""

    def __init__(self, path: str, use_in_memory_cache: bool = False) -> None:
        self.source = ProfileSource(path)
        self.use_in_memory_cache = use_in_memory_cache
        self._known: tuple[JobProfile, list[TraceEvent]] | None = None

    @property
    def profile(self) -> JobProfile:
        """Tintype's reader of the same."""
        return self.source.profile()

    def refresh_event_file_list(self) -> None:
        """Look for what has come since the last time."""
        self.source.refresh()

    def get_timestamp_of_first_available_file(self) -> int:
        """Microseconds since the epoch; 0 when there is none."""
        events = self._all()
        return int(min((one.start_time for one in events), default=0))

    def get_timestamp_of_latest_available_file(self) -> int:
        """Microseconds since the epoch; 0 when there is none."""
        events = self._all()
        return int(max((one.end_time for one in events), default=0))

    def get_events(
        self,
        start_time: float,
        end_time: float,
        unit: TimeUnits = TimeUnits.MICROSECONDS,
        event_type: Any = None,
        file_suffix_filter: list[str] | None = None,
    ) -> list[TraceEvent]:
        """The spans that lie between two moments, in order of their start."""
        scale = MICROSECONDS_OF[unit]
        low, high = start_time * scale, end_time * scale
        return [one for one in self._all() if one.start_time >= low and one.end_time <= high]

    def get_events_by_step(
        self, start_step: int, end_step: int, event_type: Any = None, file_suffix_filter: list[str] | None = None
    ) -> list[TraceEvent]:
        """The spans of the steps from `start_step` to before `end_step`."""
        return [
            one for one in self._all() if start_step <= int(one.event_args.get("step_num", -1)) < end_step
        ]

    def _all(self) -> list[TraceEvent]:
        """Every event of the profile as it was last refreshed, in order of their start."""
        profile = self.profile
        if self._known is None or self._known[0] is not profile:
            found = [*self._steps(), *self._spans()]
            self._known = profile, sorted(found, key=lambda one: one.start_time)
        return self._known[1]

    def _steps(self) -> Iterator[TraceEvent]:
        found = self.profile.spans()
        for row in found.steps:
            name, node = f"{STEP_PREFIX}{MODES[row['mode']].value}", found.nodes[row["node"]]
            args = {"step_num": str(row["number"])}
            start, duration = float(row["start"]) * 1e6, float(row["duration"]) * 1e6
            yield TraceEvent(name, name, start, start + duration, duration, node, args)
            for phase in PHASES:
                if row[phase.value] > 0:
                    called = EVENT_OF_PHASE.get(phase.value, phase.value)
                    at, took = start + 1e6 * float(row[f"{phase.value}_at"]), 1e6 * float(row[phase.value])
                    yield TraceEvent(called, called, at, at + took, took, node, args)

    def _spans(self) -> Iterator[TraceEvent]:
        found = self.profile.spans()
        for row in found.spans:
            start, duration = float(row["start"]) * 1e6, float(row["duration"]) * 1e6
            args = {"step_num": str(row["step"])} if row["step"] >= 0 else {}
            yield TraceEvent(
                found.names[row["name"]], found.names[row["phase"]], start, start + duration, duration,
                found.nodes[row["node"]], args, pid=int(row["process"]),
            )  # fmt: skip


class LocalAlgorithmMetricsReader(AlgorithmMetricsReader):
    """Of a folder."""


class S3AlgorithmMetricsReader(AlgorithmMetricsReader):
    """Of an S3 prefix."""
