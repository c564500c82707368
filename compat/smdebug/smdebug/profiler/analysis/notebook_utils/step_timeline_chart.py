"""Durations of steps over time."""

from __future__ import annotations

from smdebug.profiler.algorithm_metrics_reader import AlgorithmMetricsReader
from smdebug.profiler.analysis.notebook_utils.chart import Chart, lines, span_of
from tintype.profiler.phases import MODES
from tintype.reports.figures.times import TimeSeries


class StepTimelineChart(Chart):
    """One line for each worker and mode."""

    def __init__(self, metrics_reader: AlgorithmMetricsReader, width: int = 1000) -> None:
        super().__init__()
        self.metrics_reader = metrics_reader
        profile = metrics_reader.profile
        start, end = span_of(profile, 0, None)
        found, series = profile.spans(), []
        for node, worker in enumerate(found.nodes):
            for mode, name in enumerate(MODES):
                rows = found.steps[(found.steps["node"] == node) & (found.steps["mode"] == mode)]
                if len(rows):
                    series.append(TimeSeries(f"{name.value} {worker}", rows["start"] - start, rows["duration"]))
        self.show([("Durations of steps", lines(series, start, end, "seconds"))] if series else [])
