"""Numbers over the steps of a training: a few series as curves, or many layers as rows of a map."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from typing import final

from markupsafe import Markup

from tintype.reports.figures.plane import Plane
from tintype.reports.figures.scales import Linear, Logarithmic, around
from tintype.reports.figures.svg import drawing, element, group, path_through, text, titled
from tintype.reports.wording import display, listed, number

POINTS = 400                            # of a curve; a longer series is summed up to so many means
COLUMNS = 60                            # of a map
SHADES = 8
LOGARITHMIC_RATIO = 40.0                # values further apart than this need a log axis
STYLES = ("s-train", "s-valid", "s-test", "s-other")
RIGHT, BOTTOM = 828.0, 206.0
ROW, CELL_RIGHT, LABEL = 17.0, 828.0, 236.0


@final
@dataclass(frozen=True)
class StepSeries:
    """One series: a number at each of `steps`, in order. NaN and infinity break a curve, and are marked in a map."""

    name: str
    steps: tuple[int, ...]
    values: tuple[float, ...]


def step_curves(series: Sequence[StepSeries], quantity: str, marks: Sequence[tuple[int, str]] = ()) -> Markup:
    """Curves on a common axis; `marks` are (step, words) of moments to point at."""
    thinned = [thin(one, POINTS) for one in series]
    values = [value for one in thinned for value in one.values if math.isfinite(value)]
    low, high = (min(values), max(values)) if values else (0.0, 1.0)
    far = low > 0 and high / low > LOGARITHMIC_RATIO
    y = Logarithmic(low / 1.15, high * 1.15) if far else around(values)
    last = max((one.steps[-1] for one in series if one.steps), default=1)
    plane = Plane(Linear(0, max(last, 1), whole=True), y, right=RIGHT, bottom=BOTTOM)
    drawn = [part for at, one in enumerate(thinned) for part in _curve(plane, one, STYLES[min(at, len(STYLES) - 1)])]
    drawn += [_mark(plane, step, words) for step, words in marks]
    legend = plane.legend([(one.name, f"curve {style}") for one, style in zip(series, STYLES, strict=False)])
    label = f"{quantity} over {last:,} steps: {listed([one.name for one in series])}"
    return drawing(RIGHT + 12, BOTTOM + 44, label, (plane.axes("step", quantity), legend, *drawn))


def layer_map(rows: Sequence[StepSeries], quantity: str) -> Markup:
    """One row a layer, one column a moment; the darker, the larger, on a logarithmic scale. Not finite: a cross."""
    thinned = [thin(one, COLUMNS) for one in rows]
    positive = [value for one in thinned for value in one.values if math.isfinite(value) and value > 0]
    low, high = (min(positive), max(positive)) if positive else (1.0, 1.0)
    last = max((one.steps[-1] for one in rows if one.steps), default=1)
    height = ROW * len(rows)
    parts = [_row(one, at * ROW, low, high, last) for at, one in enumerate(thinned)]
    foot = text(LABEL, height + 18, f"step 0 to {last:,}; from {number(low, 2)} (light) to {number(high, 2)} (dark)",
                class_="tick")  # fmt: skip
    return drawing(CELL_RIGHT + 6, height + 28, f"{quantity} of {len(rows)} layers over {last:,} steps", (*parts, foot))


def thin(one: StepSeries, most: int) -> StepSeries:
    """At most `most` points: the mean of the finite values of equal stretches, infinite where one is not finite."""
    count = len(one.steps)
    if count <= most:
        return one
    edges = [count * at // most for at in range(most + 1)]
    parts = list(pairwise(edges))
    return StepSeries(one.name, tuple(one.steps[a] for a, _ in parts), tuple(_mean(one.values[a:b]) for a, b in parts))


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _curve(plane: Plane, one: StepSeries, style: str) -> list[Markup]:
    runs = groupby(zip(one.steps, one.values, strict=True), lambda point: math.isfinite(point[1]))
    pieces = [list(run) for finite, run in runs if finite]
    d = "".join(path_through(plane.place(*point) for point in piece) for piece in pieces)
    dots = [
        titled("circle", f"step {step:,}, {one.name} {number(value)}", cx=plane.place(step, value)[0],
               cy=plane.place(step, value)[1], r=3.0, class_=f"dot {style}")
        for piece in pieces for step, value in piece if len(one.steps) <= COLUMNS
    ]  # fmt: skip
    return [element("path", d=d, class_=f"curve {style}"), *dots] if d else dots


def _mark(plane: Plane, step: int, words: str) -> Markup:
    x = plane.across(plane.x.position(step))
    line = element("line", (element("title", words),), x1=x, x2=x, y1=plane.top, y2=plane.bottom, class_="best-line")
    return group((line,))


def _row(one: StepSeries, y: float, low: float, high: float, last: int) -> Markup:
    width = (CELL_RIGHT - LABEL) / COLUMNS
    name = text(LABEL - 8, y + 12, display(one.name, 38), class_="tick", text_anchor="end")
    ends = [*one.steps[1:], last]
    cells: list[Markup] = []
    for step, end, value in zip(one.steps, ends, one.values, strict=True):
        x = LABEL + (CELL_RIGHT - LABEL) * step / max(last, 1)
        wide = max((CELL_RIGHT - LABEL) * (end - step) / max(last, 1), width / 2)
        words = f"{one.name}, step {step:,}: {number(value) if math.isfinite(value) else 'not finite'}"
        cells.append(titled("rect", words, x=x, y=y + 1, width=wide, height=ROW - 2, class_=_shade(value, low, high)))
    return group((name, *cells))


def _shade(value: float, low: float, high: float) -> str:
    if not math.isfinite(value):
        return "wrong q8"
    if value <= 0:
        return "q0"
    share = math.log(value / low) / math.log(high / low) if high > low else 1.0
    return f"right q{max(1, min(SHADES, 1 + round((SHADES - 1) * share)))}"
