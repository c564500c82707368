"""A chart that a notebook shows: plain HTML with SVG in it, so that it needs no bokeh and stays in the notebook."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from markupsafe import escape

from tintype.profiler.readers import JobProfile
from tintype.reports.figures.times import TimeSeries, over_time
from tintype.reports.page import template_text
from tintype.reports.palette import custom_properties


class Drawn(str):
    """HTML that a notebook has shown already: as the value of a cell it is not shown again."""

    def _ipython_display_(self) -> None:
        """Nothing."""


class Chart:
    """HTML that shows itself where there is a notebook, and is kept in `html`."""

    def __init__(self) -> None:
        self.html = ""
        self._shown_in: int | None = None               # the number of the cell that showed it

    def show(self, parts: Iterable[tuple[str, Any]]) -> str:
        """Draw (title, drawing) one below the other; returns the HTML."""
        body = "".join(f"<h4>{title}</h4>{drawing}" for title, drawing in parts) or "<p>There is nothing to show.</p>"
        style, colours = template_text("profiler_report.css"), escape(custom_properties("light"))
        self.html = Drawn(f'<div class="tintype" style="{colours}"><style>{style}</style>{body}</div>')
        self._shown_in = None
        self._ipython_display_()
        return self.html

    def _ipython_display_(self) -> None:
        """Show it; once in a cell that draws it and has it as its value too."""
        try:
            from IPython.core.getipython import get_ipython
            from IPython.display import HTML, display
        except ImportError:
            return
        if (shell := get_ipython()) is not None and self._shown_in != shell.execution_count:
            self._shown_in = shell.execution_count
            display(HTML(str(self.html)))

    def _repr_html_(self) -> str:
        return self.html


def matches(patterns: Sequence[str], text: str) -> bool:
    """Whether any of the regular expressions is found in `text`."""
    return any(re.search(one, text) for one in patterns)


def system_series(
    profile: JobProfile, dimensions: Sequence[str], events: Sequence[str], start: float, end: float
) -> list[tuple[str, list[TimeSeries]]]:
    """(dimension, its series) of what is selected, as smdebug does: by dimension, then by name or "total".

    `start` and `end` are seconds since the epoch; times of the series count from `start`.
    """
    found: list[tuple[str, list[TimeSeries]]] = []
    system = profile.system()
    for node in system.nodes:
        for dimension in dict.fromkeys(one.dimension or one.name for one in system.series if one.node == node):
            if not matches(dimensions, dimension):
                continue
            own = {one.name for one in system.series if (one.dimension or one.name) == dimension}
            table = system.table(dimension, node) or system.table("", node, dimension)
            inside = (table.times >= start) & (table.times <= end)
            at = table.times[inside] - start
            lines = [
                TimeSeries(name, at, table.values[inside, place])
                for place, name in enumerate(table.names)
                if matches(events, name)
            ]
            if matches(events, "total") and len(own) > 1:
                lines.insert(0, TimeSeries("total", at, np.nanmean(table.values[inside], axis=1)))
            if lines and len(at):
                found.append((f"{dimension} on {node}", lines))
    return found


def span_of(profile: JobProfile, start_us: float, end_us: float | None) -> tuple[float, float]:
    """Two moments in seconds since the epoch, from smdebug's microseconds, where 0 and None mean all there is."""
    first, last = profile.extent or (0.0, 0.0)
    return (start_us / 1e6 if start_us else first), (end_us / 1e6 if end_us else last)


def lines(series: Sequence[TimeSeries], start: float, end: float, quantity: str) -> Any:
    """The drawing of some lines."""
    return over_time(series, max(1e-6, end - start), quantity)
