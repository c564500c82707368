"""A heat map: one row for each core or GPU, time from left to right, the darker the busier."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from markupsafe import Markup

from smdebug.profiler.analysis.notebook_utils.chart import Chart, span_of, system_series
from smdebug.profiler.system_metrics_reader import SystemMetricsReader
from tintype.reports.figures.svg import element, titled

COLUMNS = 240
WIDTH, HEIGHT, LABELS = 900.0, 14.0, 190.0


class Heatmap(Chart):
    """Times are microseconds since the epoch; 0 and None: all there is."""

    def __init__(
        self,
        metrics_reader: SystemMetricsReader,
        select_metrics: Sequence[str] = (),
        starttime: float = 0,
        endtime: float | None = None,
        select_dimensions: Sequence[str] = (".*CPU", ".*GPU"),
        select_events: Sequence[str] = (".*",),
        plot_height: int = 350,
        show_workers: bool = True,
    ) -> None:
        super().__init__()
        profile = metrics_reader.profile
        start, end = span_of(profile, starttime, endtime)
        rows: list[tuple[str, np.ndarray]] = []
        for title, series in system_series(profile, select_dimensions, select_events, start, end):
            for one in series:
                rows.append((f"{one.name} {title}", _columns(one.times, one.values, end - start)))
        self.rows = dict(rows)
        self.show([("Per cent over time", _drawing(rows))] if rows else [])


def _columns(times: np.ndarray, values: np.ndarray, duration: float) -> np.ndarray:
    """The mean of each of COLUMNS equal parts, NaN where there is none."""
    finite = np.isfinite(values)
    place = np.minimum((times[finite] / max(duration, 1e-9) * COLUMNS).astype(int), COLUMNS - 1)
    counts = np.bincount(place, minlength=COLUMNS)
    sums = np.bincount(place, values[finite], COLUMNS)
    return np.where(counts > 0, sums / np.maximum(1, counts), np.nan)


def _drawing(rows: Sequence[tuple[str, np.ndarray]]) -> Markup:
    cells: list[Markup] = []
    width = (WIDTH - LABELS) / COLUMNS
    for number, (name, values) in enumerate(rows):
        top = number * HEIGHT
        cells.append(element("text", (Markup("{}").format(name[:30]),), x=0, y=top + HEIGHT - 3, font_size=10))
        for column in np.flatnonzero(np.isfinite(values)).tolist():
            value = float(values[column])
            shade = f"fill:var(--accent);fill-opacity:{min(1.0, max(0.0, value / 100)):.2f}"
            cells.append(
                titled("rect", f"{name}: {value:.0f}", x=LABELS + column * width, y=top, width=width + 0.1,
                       height=HEIGHT - 1, style=shade)
            )  # fmt: skip
    box = f"0 0 {WIDTH:.0f} {HEIGHT * len(rows):.0f}"
    return element("svg", tuple(cells), viewBox=box, role="img", aria_label="utilisation over time")
