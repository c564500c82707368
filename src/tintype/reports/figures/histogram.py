"""A histogram: how many values lie in each of some bins, those that stand out in another colour."""

from __future__ import annotations

from typing import Any

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from tintype.reports.figures.plane import Plane
from tintype.reports.figures.scales import Linear
from tintype.reports.figures.svg import drawing, titled
from tintype.reports.wording import counted, number

BINS = 50
RIGHT, BOTTOM = 828.0, 190.0


def histogram(values: NDArray[Any], quantity: str, noun: str, beyond: float | None = None) -> Markup:
    """Of at least one finite value. Bins above `beyond` are drawn as outliers; `noun` is what is counted."""
    low, high = float(values.min()), float(values.max())
    counts, edges = np.histogram(values, BINS, (low, high if high > low else low + 1e-9 + abs(low) * 1e-3))
    x, y = Linear(float(edges[0]), float(edges[-1])), Linear(0.0, float(counts.max()), whole=True)
    plane = Plane(x, y, right=RIGHT, bottom=BOTTOM)
    bars = [
        _bar(plane, count, float(edges[place]), float(edges[place + 1]), noun, beyond)
        for place, count in enumerate(counts.tolist())
        if count
    ]
    label = f"{quantity} of {counted(len(values), noun)}, from {number(low, 3)} to {number(high, 3)}"
    return drawing(RIGHT + 12, BOTTOM + 44, label, (plane.axes(quantity, counted(2, noun).partition(" ")[2]), *bars))


def _bar(plane: Plane, count: int, low: float, high: float, noun: str, beyond: float | None) -> Markup:
    left, top = plane.place(low, count)
    right, bottom = plane.place(high, 0)
    words = f"{counted(count, noun)} from {number(low, 3)} to {number(high, 3)}"
    class_ = "outlier-bar" if beyond is not None and low >= beyond else "right-bar"
    # A bar of one step among thousands would be thinner than a hair: it is at least two units high.
    height, width = max(2.0, bottom - top), max(1.0, right - left - 1)
    return titled("rect", words, x=left, y=bottom - height, width=width, height=height, class_=class_)
