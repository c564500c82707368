"""A quantity over the time of a job: the mean of each moment as a line, and the range around it as a band."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, final

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from tintype.reports.figures.plane import Plane
from tintype.reports.figures.scales import Linear, around
from tintype.reports.figures.svg import drawing, element, path_through
from tintype.reports.wording import listed, seconds

MOMENTS = 240                                               # a longer series is summed up to so many
LONG_GAP, FAR = 0.05, 4.0               # of the job, and times the usual distance: a line is broken where both are met
LINES = ("s-train", "s-valid", "s-test", "s-other")         # one style for each line; more lines share the last
RIGHT, BOTTOM = 828.0, 190.0
KEY = Markup(
    '<span><svg class="key" viewBox="0 0 10 10" aria-hidden="true"><path d="M0 5H10" class="curve {}"/></svg>{}</span>'
)
UNITS = ((7200.0, 3600.0, "hours"), (180.0, 60.0, "minutes"), (0.0, 1.0, "seconds"))


@final
@dataclass(frozen=True, eq=False)
class TimeSeries:
    """One line: `values` at `times`, which are seconds since the start of the job, in order."""

    name: str
    times: NDArray[Any]
    values: NDArray[Any]


def over_time(series: Sequence[TimeSeries], duration: float, quantity: str, ceiling: float | None = None) -> Markup:
    """The lines on a common axis. The first line has its band; `quantity` names the axis with its unit."""
    divisor, unit = next((divisor, unit) for least, divisor, unit in UNITS if duration >= least)
    reduced = [thin(one, duration) for one in series]
    known = [part for one in reduced for part in one[1:] if np.isfinite(part).any()]
    highest = max((float(np.nanmax(part)) for part in known), default=1.0)
    y = Linear(0.0, ceiling) if ceiling else around([0.0, highest], floor=0.0)
    plane = Plane(Linear(0.0, max(duration / divisor, 1e-9)), y, right=RIGHT, bottom=BOTTOM)
    drawn = [_band(plane, reduced[0], divisor)] if reduced else []
    for place, one in enumerate(reduced):
        drawn += _lines(plane, one, divisor, _style(place))
    label = f"{quantity} over {seconds(duration)}: {listed([one.name for one in series])}"
    axes = plane.axes(f"time since the job began, {unit}", quantity)
    return drawing(RIGHT + 12, BOTTOM + 44, label, (axes, *drawn)) + _keys(series)


def thin(one: TimeSeries, duration: float) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any], NDArray[Any]]:
    """(times, means, lows, highs) of at most MOMENTS moments; NaN where a moment has no value."""
    count = max(1, min(MOMENTS, len(one.times)))
    edges = np.linspace(0.0, max(duration, 1e-9), count + 1)
    which = np.clip(np.searchsorted(edges, one.times, side="right") - 1, 0, count - 1)
    finite = np.isfinite(one.values)
    which, values = which[finite], one.values[finite]
    counts = np.bincount(which, minlength=count)
    means = np.where(counts > 0, np.bincount(which, values, count) / np.maximum(1, counts), np.nan)
    lows, highs = np.full(count, np.inf), np.full(count, -np.inf)
    np.minimum.at(lows, which, values)
    np.maximum.at(highs, which, values)
    lows[counts == 0], highs[counts == 0] = np.nan, np.nan
    return (edges[:-1] + edges[1:]) / 2, means, lows, highs


def _keys(series: Sequence[TimeSeries]) -> Markup:
    """What each line stands for, below the drawing: a narrow screen shows only a part of that at once."""
    if len(series) < 2:
        return Markup("")
    keys = [KEY.format(_style(place), one.name) for place, one in enumerate(series[: len(LINES)])]
    return Markup('<div class="keys">{}</div>').format(Markup("").join(keys))


def _style(place: int) -> str:
    return LINES[min(place, len(LINES) - 1)]


def _lines(plane: Plane, one: tuple[NDArray[Any], ...], divisor: float, style: str) -> list[Markup]:
    """The line in pieces: a while without a value breaks it."""
    finite = np.isfinite(one[1])
    times, means = one[0][finite] / divisor, one[1][finite]
    known = list(zip(times.tolist(), means.tolist(), strict=True))
    gaps = np.diff(times)
    longest = max(LONG_GAP * float(one[0][-1] / divisor), FAR * float(np.median(gaps))) if len(gaps) else 0.0
    bounds = [0, *(np.flatnonzero(gaps > longest) + 1).tolist(), len(known)]
    pieces = [known[low:high] for low, high in pairwise(bounds)]
    return [
        element("path", d=path_through([plane.place(*point) for point in piece]), class_=f"curve thin {style}")
        for piece in pieces
        if len(piece) > 1
    ] + [
        element("circle", cx=plane.place(*piece[0])[0], cy=plane.place(*piece[0])[1], r=2.2, class_=f"dot {style}")
        for piece in pieces
        if len(piece) == 1
    ]


def _band(plane: Plane, one: tuple[NDArray[Any], ...], divisor: float) -> Markup:
    times, _, lows, highs = one
    some = np.isfinite(lows)
    upper = [plane.place(time / divisor, high) for time, high in zip(times[some], highs[some], strict=True)]
    lower = [plane.place(time / divisor, low) for time, low in zip(times[some], lows[some], strict=True)]
    return element("path", d=path_through([*upper, *reversed(lower)]) + "Z", class_="band") if upper else Markup("")
