"""Histograms of the durations of steps and of their phases."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from smdebug.profiler.algorithm_metrics_reader import AlgorithmMetricsReader
from smdebug.profiler.analysis.notebook_utils.chart import Chart, matches, span_of
from tintype.reports.figures.histogram import histogram

SELECTED = ("Step:ModeKeys", "Forward-node", r"Backward\(post-forward\)-node")


class StepHistogram(Chart):
    """`plot` draws one histogram for each selected metric of each worker."""

    def __init__(self, metrics_reader: AlgorithmMetricsReader, width: int = 500) -> None:
        super().__init__()
        self.metrics_reader = metrics_reader
        self.step_metrics: dict[str, np.ndarray] = {}

    def plot(
        self,
        starttime: float = 0,
        endtime: float | None = None,
        select_metrics: Sequence[str] = SELECTED,
        show_workers: bool = True,
    ) -> str:
        """Times are microseconds since the epoch; 0 and None: all there is."""
        start, end = span_of(self.metrics_reader.profile, starttime, endtime)
        durations: dict[str, list[float]] = {}
        for one in self.metrics_reader.get_events(start * 1e6 - 1, end * 1e6 + 1):
            name = f"{one.event_phase}-nodeid:{one.node_id}"
            if matches(select_metrics, name):
                durations.setdefault(name, []).append(one.duration / 1e6)
        self.step_metrics = {name: np.asarray(values) for name, values in durations.items()}
        return self.show((name, histogram(values, "seconds", "step")) for name, values in self.step_metrics.items())

    def clear(self) -> None:
        """Forget what was drawn."""
        self.html, self.step_metrics = "", {}
