"""The confusion matrix, from 2 to about 150 classes.

Few classes: large cells with their counts in them. Many: small cells, drawn as a handful of paths (one per
shade), so that 133 classes stay below 200 kB; the most frequent confusions can still be pointed at.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from tintype.reports.confusion import Counts, confused_pairs
from tintype.reports.figures.svg import drawing, element, group, text, titled
from tintype.reports.wording import counted, display, percent

Shares = NDArray[np.float64]                                # (classes, classes): counts over the sum of their row

SHADES = 8
WORDS = ("", "", "", "", "", " half", " half", " on", " on")        # the class of text over each shade
COUNTED_CELL, SHARED_CELL = 25.0, 50.0                      # SVG units from which a cell has its count; its share too
SLANTED_CELL = 20.0                                         # names over narrower columns stand upright
GUIDED_CLASSES = 10                                         # a line after so many rows and columns of small cells
POINTED_CELLS = 600                                         # as many cells of a large matrix say what they are
LABEL_CHARACTER = 6.3                                       # width of a character of a class name, SVG units


@dataclass(frozen=True)
class _Layout:
    cell: float
    limit: int                                              # characters of a class name
    turn: int                                               # degrees by which the names of the columns are turned
    left: float                                             # room for the names of the rows
    top: float                                              # room for the names of the columns
    overhang: float                                         # of the last name, beyond the matrix


def confusion(counts: Counts, classes: Sequence[str]) -> Markup:
    """Rows are true classes, columns predicted ones; shades are shares of the row."""
    layout = _layout(classes)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    side = layout.cell * len(classes)
    cells = _counted_cells if layout.cell >= COUNTED_CELL else _shaded_cells
    frame = element("rect", x=0, y=0, width=side, height=side, class_="frame")
    placed = f"translate({layout.left:.0f} {layout.top:.0f})"
    squares = group((*cells(counts, shares, classes, layout.cell), frame), transform=placed)
    label = f"confusion matrix of {len(classes)} classes: rows are true classes, columns predicted ones"
    width, height = layout.left + side + layout.overhang, layout.top + side + 6
    return drawing(width, height, label, (*_names(classes, layout), squares), class_="fig matrix")


def _layout(classes: Sequence[str]) -> _Layout:
    count = len(classes)
    cell = _cell(count)
    limit = 22 if count <= 40 else 26
    longest = LABEL_CHARACTER * max(len(display(name, limit)) for name in classes)
    turn = 90 if cell < SLANTED_CELL else 45 if longest > cell - 4 else 0
    reach = longest * math.sin(math.radians(turn))
    return _Layout(
        cell=cell,
        limit=limit,
        turn=turn,
        left=max(longest, 24) + 32,
        top=reach + 34 if turn else 40,
        overhang=reach if turn == 45 else 6,
    )


def _cell(count: int) -> float:
    """The side of a cell, SVG units: large for few classes, never too small to be seen."""
    if count <= 20:
        return min(118.0, max(30.0, 440.0 / count))
    return 25.0 if count <= 40 else 12.0 if count <= 80 else 10.0


def _names(classes: Sequence[str], layout: _Layout) -> list[Markup]:
    shown = [display(name, layout.limit) for name in classes]
    middles = [(n + 0.5) * layout.cell for n in range(len(shown))]
    rows = [
        text(layout.left - 7, layout.top + y + 3.5, name, text_anchor="end")
        for y, name in zip(middles, shown, strict=True)
    ]
    columns = [_column_name(layout, x, name) for x, name in zip(middles, shown, strict=True)]
    axes = (
        text(layout.left, 12, "predicted →", class_="axis"),
        text(0, 0, "← true", class_="axis", transform=f"translate(12 {layout.top:.0f}) rotate(-90)", text_anchor="end"),
    )
    return [group((*rows, *columns), class_="names"), *axes]


def _column_name(layout: _Layout, x: float, name: str) -> Markup:
    if not layout.turn:
        return text(layout.left + x, layout.top - 8, name, text_anchor="middle")
    placed = f"translate({layout.left + x + 3:.1f} {layout.top - 7:.1f}) rotate({-layout.turn})"
    return text(0, 0, name, transform=placed)


def _counted_cells(counts: Counts, shares: Shares, classes: Sequence[str], cell: float) -> list[Markup]:
    """Every cell by itself, with its count in it, and its share when it is large enough."""
    drawn: list[Markup] = []
    for row, column in np.ndindex(counts.shape):
        count, share = int(counts[row, column]), float(shares[row, column])
        words = _words(classes, row, column, count, share)
        drawn.append(_square(row, column, cell, words, _class(row, column, share)))
        if count:
            drawn += _count(column * cell + cell / 2, row * cell + cell / 2, cell, count, share)
    return drawn


def _count(x: float, y: float, cell: float, count: int, share: float) -> list[Markup]:
    on = WORDS[_shade(share)]
    if cell < SHARED_CELL:
        return [text(x, y + 4, f"{count:,}", class_=f"count{on}")]
    large = " large" if cell >= 90 else ""
    return [
        text(x, y + 1, f"{count:,}", class_=f"count{large}{on}"),
        text(x, y + 17, percent(share, 0), class_=f"share{on}"),
    ]


def _shaded_cells(counts: Counts, shares: Shares, classes: Sequence[str], cell: float) -> list[Markup]:
    """One path per shade, and unseen squares that say what the most frequent confusions are."""
    paths: dict[str, list[str]] = {}
    for row, column in np.argwhere(counts > 0):
        outline = f"M{column * cell:.0f} {row * cell:.0f}h{cell:.0f}v{cell:.0f}h-{cell:.0f}z"
        paths.setdefault(_class(row, column, float(shares[row, column])), []).append(outline)
    drawn = [_guides(len(counts), cell)]
    drawn += [element("path", d="".join(outlines), class_=class_) for class_, outlines in sorted(paths.items())]
    for row, column, count in confused_pairs(counts)[:POINTED_CELLS]:
        words = _words(classes, row, column, count, float(shares[row, column]))
        drawn.append(_square(row, column, cell, words, "ghost"))
    return drawn


def _guides(count: int, cell: float) -> Markup:
    """Thin lines that help the eye along rows and columns."""
    side = f"{cell * count:.0f}"
    places = [f"{n * cell:.0f}" for n in range(GUIDED_CLASSES, count, GUIDED_CLASSES)]
    return element("path", d="".join(f"M0 {at}h{side}M{at} 0v{side}" for at in places) or "M0 0", class_="guide")


def _square(row: int, column: int, cell: float, words: str, class_: str) -> Markup:
    return titled("rect", words, x=column * cell, y=row * cell, width=cell, height=cell, class_=class_)


def _class(row: int, column: int, share: float) -> str:
    shade = _shade(share)
    return "q0" if shade == 0 else f"{'right' if row == column else 'wrong'} q{shade}"


def _shade(share: float) -> int:
    """0 for nothing, then 1..SHADES; the square root lets small confusions be seen."""
    return 0 if share <= 0 else max(1, min(SHADES, round(SHADES * share**0.5)))


def _words(classes: Sequence[str], row: int, column: int, count: int, share: float) -> str:
    true, predicted = display(classes[row], 40), display(classes[column], 40)
    verdict = f"{true}, recognised" if row == column else f"{true} taken for {predicted}"
    return f"{verdict}: {counted(count, 'image')}, {percent(share)} of the class"
