"""System metrics over time, and what the training did meanwhile."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from smdebug.profiler.algorithm_metrics_reader import AlgorithmMetricsReader, TraceEvent
from smdebug.profiler.analysis.notebook_utils.chart import Chart, lines, span_of, system_series
from smdebug.profiler.system_metrics_reader import SystemMetricsReader


class TimelineCharts(Chart):
    """One drawing for each selected dimension. Times are microseconds since the epoch; 0 and None: all there is."""

    def __init__(
        self,
        system_metrics_reader: SystemMetricsReader,
        framework_metrics_reader: AlgorithmMetricsReader | None = None,
        starttime: float = 0,
        endtime: float | None = None,
        select_dimensions: Sequence[str] = (".*",),
        select_events: Sequence[str] = (".*",),
        x: int = 1000,
        show_workers: bool = True,
    ) -> None:
        super().__init__()
        self.system_metrics_reader, self.framework_metrics_reader = system_metrics_reader, framework_metrics_reader
        self.select_dimensions, self.select_events = tuple(select_dimensions), tuple(select_events)
        self.start, self.end = span_of(system_metrics_reader.profile, starttime, endtime)
        self._draw()

    def update_data(self, current_timestamp: float) -> None:
        """Draw it anew up to a moment, in microseconds since the epoch."""
        self.system_metrics_reader.refresh_event_file_list()
        self.end = current_timestamp / 1e6
        self._draw()

    def find_time_annotations(self, indexes: Sequence[int]) -> dict[str, float]:
        """Microseconds of each phase of the training between the samples with these two numbers."""
        events = self._events(indexes)
        found: dict[str, float] = {}
        for one in events:
            found[one.event_phase] = found.get(one.event_phase, 0.0) + one.duration
        return dict(sorted(found.items(), key=lambda pair: -pair[1]))

    def plot_detailed_profiler_data(self, indexes: Sequence[int]) -> list[TraceEvent]:
        """The spans between the samples with these two numbers."""
        return self._events(indexes)

    def _events(self, indexes: Sequence[int]) -> list[TraceEvent]:
        times = sorted(set(self.system_metrics_reader.profile.system().rows["time"].tolist()))
        if self.framework_metrics_reader is None or not times:
            return []
        low, high = (1e6 * times[min(max(0, one), len(times) - 1)] for one in (indexes[0], indexes[-1]))
        return self.framework_metrics_reader.get_events(low, high)

    def _draw(self) -> None:
        profile = self.system_metrics_reader.profile
        found = system_series(profile, self.select_dimensions, self.select_events, self.start, self.end)
        parts: list[tuple[str, Any]] = [
            (title, lines(series, self.start, self.end, title.partition(" ")[0])) for title, series in found
        ]
        self.show(parts)
