"""The reliability diagram: how often the model is right when it says it is p sure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from tintype.reports.figures.plane import Plane
from tintype.reports.figures.scales import Linear
from tintype.reports.figures.svg import drawing, element, group, text, titled
from tintype.reports.wording import counted, percent


@dataclass(frozen=True)
class Bin:
    """The images whose predicted class had a probability in `low`..`high`."""

    low: float
    high: float
    count: int
    accuracy: float                                         # share that is right; 0 when count is 0
    confidence: float                                       # mean probability; 0 when count is 0


def reliability(bins: Sequence[Bin]) -> Markup:
    """Accuracy per bin of confidence, the diagonal of a perfectly calibrated model, and the images in each bin."""
    plane = Plane(Linear(0, 1, percents=True), Linear(0, 1, percents=True), right=330, bottom=272)
    (x1, y1), (x2, y2) = plane.place(0, 0), plane.place(1, 1)
    diagonal = element("line", x1=x1, y1=y1, x2=x2, y2=y2, class_="ideal")
    columns = [_column(plane, one) for one in bins if one.count]
    label = f"reliability diagram over {counted(sum(one.count for one in bins), 'image')}"
    axes = plane.axes("confidence: probability of the predicted class", "accuracy")
    return drawing(346, 390, label, (axes, *columns, diagonal, *_histogram(plane, bins)))


def _column(plane: Plane, one: Bin) -> Markup:
    """The bar of a bin, and the gap between it and the confidence."""
    left, top = plane.place(one.low, one.accuracy)
    right, ideal = plane.place(one.high, one.confidence)
    middle = (left + right) / 2
    words = f"{_sure(one)}: {counted(one.count, 'image')}, {percent(one.accuracy)} right"
    return group((
        titled("rect", words, x=left + 1, y=top, width=right - left - 2, height=plane.bottom - top, class_="right-bar"),
        element("line", x1=middle, x2=middle, y1=top, y2=ideal, class_="gap"),
        element("circle", cx=middle, cy=ideal, r=2.6, class_="gap-end"),
    ))


def _histogram(plane: Plane, bins: Sequence[Bin]) -> list[Markup]:
    """The images per bin, below the diagram and on the same horizontal axis."""
    base, height = plane.bottom + 108, 46.0
    largest = max((one.count for one in bins), default=0) or 1
    drawn = [
        text(0, base - height - 8, "images", class_="axis"),
        text(plane.left - 7, base - height + 6, f"{largest:,}", class_="tick", text_anchor="end"),
        text(plane.left - 7, base + 3, "0", class_="tick", text_anchor="end"),
        element("line", x1=plane.left, x2=plane.right, y1=base, y2=base, class_="grid"),
    ]
    for one in bins:
        left, right = (plane.across(plane.x.position(end)) for end in (one.low, one.high))
        tall = height * one.count / largest
        place = {"x": left + 1, "y": base - tall, "width": right - left - 2, "height": tall}
        drawn.append(titled("rect", f"{_sure(one)}: {counted(one.count, 'image')}", **place, class_="count-bar"))
    return drawn


def _sure(one: Bin) -> str:
    return f"{percent(one.low, 0)}–{percent(one.high, 0)} sure"
