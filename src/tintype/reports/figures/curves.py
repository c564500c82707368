"""Curves over epochs: loss and accuracy, one line per split."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from markupsafe import Markup

from tintype.reports.figures.plane import Plane
from tintype.reports.figures.scales import Linear, Logarithmic, Scale, around
from tintype.reports.figures.svg import drawing, element, path_through, text, titled
from tintype.reports.wording import listed, number, percent

MARKED_EPOCHS = 60                                          # longer lines are drawn without dots
LOGARITHMIC_RATIO = 40.0                                    # losses further apart than this need a log axis


@dataclass(frozen=True)
class Curve:
    """One line of `values` per epoch, from epoch 1. NaN breaks the line."""

    name: str                                               # a split: "train", "valid"
    values: tuple[float, ...]


def loss_curves(curves: Sequence[Curve], best_epoch: int | None) -> Markup:
    """Loss against epochs; on a log axis when it falls far."""
    values = [value for curve in curves for value in curve.values if math.isfinite(value)]
    low, high = (min(values), max(values)) if values else (0.0, 1.0)
    far = low > 0 and high / low > LOGARITHMIC_RATIO
    scale = Logarithmic(low / 1.15, high * 1.15) if far else around(values, floor=0.0)
    return _epochs(curves, scale, "loss", best_epoch, percents=False)


def accuracy_curves(curves: Sequence[Curve], best_epoch: int | None) -> Markup:
    """Accuracy (0..1 in, per cent drawn) against epochs."""
    scale = around([value for curve in curves for value in curve.values], floor=0.0, ceiling=1.0, percents=True)
    return _epochs(curves, scale, "accuracy", best_epoch, percents=True)


def _epochs(curves: Sequence[Curve], scale: Scale, quantity: str, best_epoch: int | None, percents: bool) -> Markup:
    last = max(len(curve.values) for curve in curves)
    x = Linear(0.5, last + 0.5, whole=True) if last < 5 else Linear(1, last, whole=True)
    plane = Plane(x, scale)
    drawn = [part for curve in curves for part in (*_line(plane, curve), *_dots(plane, curve, quantity, percents))]
    best = [] if best_epoch is None else _best(plane, best_epoch, plane.bottom - 7 if percents else plane.top + 9)
    legend = plane.legend([(curve.name, f"curve s-{curve.name}") for curve in curves])
    label = f"{quantity} per epoch for {listed([curve.name for curve in curves])}, {last} epochs"
    return drawing(420, 250, label, (plane.axes("epoch", quantity), legend, *best, *drawn))


def _line(plane: Plane, curve: Curve) -> list[Markup]:
    d = "".join(path_through(plane.place(*point) for point in piece) for piece in _pieces(curve))
    return [element("path", d=d, class_=f"curve s-{curve.name}")] if d else []


def _dots(plane: Plane, curve: Curve, quantity: str, percents: bool) -> list[Markup]:
    if len(curve.values) > MARKED_EPOCHS:
        return []
    written = percent if percents else number
    dots: list[Markup] = []
    for epoch, value in (point for piece in _pieces(curve) for point in piece):
        cx, cy = plane.place(epoch, value)
        words = f"epoch {epoch}, {curve.name} {quantity} {written(value)}"
        dots.append(titled("circle", words, cx=cx, cy=cy, r=3.2, class_=f"dot s-{curve.name}"))
    return dots


def _pieces(curve: Curve) -> list[list[tuple[int, float]]]:
    """The runs of (epoch, value) between values that are not finite."""
    runs = groupby(enumerate(curve.values, start=1), lambda point: math.isfinite(point[1]))
    return [list(run) for finite, run in runs if finite]


def _best(plane: Plane, epoch: int, y: float) -> list[Markup]:
    """A line at the best epoch, with its name at `y`: where the curves of a training that goes well are not."""
    at = plane.across(plane.x.position(epoch))
    left_of_it = at > (plane.left + plane.right) / 2
    word = {"text_anchor": "end" if left_of_it else "start", "class_": "best-word"}
    return [
        element("line", x1=at, x2=at, y1=plane.top, y2=plane.bottom, class_="best-line"),
        text(at - 5 if left_of_it else at + 5, y, "best epoch", **word),
    ]
