"""Trials: the objective against one hyperparameter, and against time with the best so far."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from markupsafe import Markup

from tintype.reports.figures.plane import Plane
from tintype.reports.figures.scales import Bands, Linear, Logarithmic, Scale, around
from tintype.reports.figures.svg import drawing, element, path_through, titled
from tintype.reports.objective import Objective
from tintype.reports.wording import seconds

# Trials that share a category lie beside each other: a share of the band's width per trial, repeating.
JITTER = (0.0, 0.12, -0.12, 0.24, -0.24, 0.06, -0.06, 0.18, -0.18, 0.3, -0.3)
UNITS = ((3600.0 * 3, 3600.0, "h"), (180.0, 60.0, "min"), (0.0, 1.0, "s"))     # from this many seconds on: unit

State = Literal["whole", "cut", "best"]                     # ran to its end; stopped early; the best of all


@dataclass(frozen=True)
class Mark:
    """One trial in a figure. `x` is the hyperparameter (an index when it has bands) or seconds; `y` the objective."""

    trial: int
    x: float
    y: float
    words: str                                              # shown when pointed at
    state: State


def hyperparameter_scale(low: float, high: float, *, logarithmic: bool, whole: bool) -> Scale:
    """The axis of a numeric hyperparameter, with a little air at both ends."""
    if logarithmic and low > 0 and high > low:
        air = (high / low) ** 0.05
        return Logarithmic(low / air, high * air)
    padded = around((low, high))
    return Linear(padded.low, padded.high, whole=whole)


def against_hyperparameter(marks: Sequence[Mark], scale: Scale, name: str, objective: Objective) -> Markup:
    """The objective against one hyperparameter."""
    plane = Plane(scale, _objective_scale(marks, objective), bottom=196)
    if isinstance(scale, Bands):
        marks = [_beside(mark) for mark in marks]
    axis = f"{name}, log scale" if isinstance(scale, Logarithmic) else name
    label = f"{objective.words} of {len(marks)} trials against {axis}"
    return drawing(420, 240, label, (plane.axes(axis, objective.words), *_dots(plane, marks)))


def against_time(marks: Sequence[Mark], objective: Objective, *, wide: bool) -> Markup:
    """The objective against the moment each trial ended (seconds after the first began), and the best so far."""
    latest = max(mark.x for mark in marks)
    divisor, unit = next((divisor, unit) for least, divisor, unit in UNITS if latest >= least)
    placed = [replace(mark, x=mark.x / divisor) for mark in marks]
    x = around([0.0, *(mark.x for mark in placed)], floor=0.0)
    right, bottom = (828, 216) if wide else (408, 196)
    plane = Plane(x, _objective_scale(marks, objective), right=right, bottom=bottom)
    steps = path_through(plane.place(*point) for point in _best_so_far(placed, objective, x.high))
    label = f"{objective.words} of {len(marks)} trials over {seconds(latest)}, with the best so far"
    axes = plane.axes(f"time since the first trial began, {unit}", objective.words)
    legend = plane.legend((("best so far", "curve best-so-far"),))
    line = element("path", d=steps, class_="curve best-so-far")
    return drawing(right + 12, bottom + 44, label, (axes, legend, line, *_dots(plane, placed)))


def sparkline(values: Sequence[float]) -> Markup:
    """A line as small as a word: the objective of one trial over its epochs."""
    finite = [value for value in values if math.isfinite(value)]
    if len(finite) < 2:
        return Markup("")
    x, y = Linear(0, len(finite) - 1), Linear(min(finite), max(finite))
    points = [(2 + 60 * x.position(n), 16 - 14 * y.position(value)) for n, value in enumerate(finite)]
    label = f"over {len(finite)} epochs"
    return drawing(64, 18, label, (element("path", d=path_through(points), class_="curve"),), class_="spark")


def _objective_scale(marks: Sequence[Mark], objective: Objective) -> Linear:
    values = [mark.y for mark in marks]
    return around(values, floor=0.0, ceiling=1.0, percents=True) if objective.is_share else around(values)


def _beside(mark: Mark) -> Mark:
    return replace(mark, x=mark.x + JITTER[mark.trial % len(JITTER)])


def _dots(plane: Plane, marks: Sequence[Mark]) -> list[Markup]:
    """The best last, so that nothing covers it."""
    return [_dot(plane, mark) for mark in sorted(marks, key=lambda one: one.state == "best")]


def _dot(plane: Plane, mark: Mark) -> Markup:
    cx, cy = plane.place(mark.x, mark.y)
    radius = 6.0 if mark.state == "best" else 4.2
    return titled("circle", mark.words, cx=cx, cy=cy, r=radius, class_=f"trial {mark.state}", data_trial=mark.trial)


def _best_so_far(marks: Sequence[Mark], objective: Objective, until: float) -> list[tuple[float, float]]:
    """A staircase of (x, y): up or down where a trial was better than all before it, then level."""
    first, *later = sorted(marks, key=lambda one: one.x)
    points = [(first.x, first.y)]
    for mark in later:
        if objective.better(mark.y, points[-1][1]):
            points += [(mark.x, points[-1][1]), (mark.x, mark.y)]
    return [*points, (until, points[-1][1])]
