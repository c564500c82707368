"""Histograms of system metrics."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from smdebug.profiler.analysis.notebook_utils.chart import Chart, span_of, system_series
from smdebug.profiler.system_metrics_reader import SystemMetricsReader
from tintype.reports.figures.histogram import histogram


class MetricsHistogram(Chart):
    """`plot` draws one histogram for each selected dimension and name."""

    def __init__(self, metrics_reader: SystemMetricsReader, width: int = 500) -> None:
        super().__init__()
        self.metrics_reader = metrics_reader

    def plot(
        self,
        starttime: float = 0,
        endtime: float | None = None,
        select_dimensions: Sequence[str] = (".*",),
        select_events: Sequence[str] = (".*",),
        show_workers: bool = True,
    ) -> str:
        """Times are microseconds since the epoch; 0 and None: all there is."""
        start, end = span_of(self.metrics_reader.profile, starttime, endtime)
        found = system_series(self.metrics_reader.profile, select_dimensions, select_events, start, end)
        parts = [
            (f"{title}: {one.name}", histogram(one.values[np.isfinite(one.values)], "value", "sample"))
            for title, series in found
            for one in series
            if np.isfinite(one.values).any()
        ]
        return self.show(parts)
