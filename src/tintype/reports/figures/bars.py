"""Bars: a share of a whole as wide as its cell, in one or several colours."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from tintype.reports.figures.svg import element, titled

WIDTH = 1000.0                                              # SVG units; the page stretches it to the cell


def stacked(parts: Sequence[tuple[str, float, str]], largest: float) -> Markup:
    """A bar of (class, value, words) parts, one after the other; `largest` is the value that fills the cell."""
    drawn: list[Markup] = []
    at = 0.0
    for class_, value, words in parts:
        width = WIDTH * value / largest if largest > 0 else 0.0
        if width > 0:
            drawn.append(titled("rect", words, x=at, y=0, width=width, height=10, class_=class_))
        at += width
    box = f"0 0 {WIDTH:.0f} 10"
    return element("svg", tuple(drawn), class_="bar", viewBox=box, preserveAspectRatio="none", aria_hidden="true")


def bar(value: float, largest: float, class_: str, words: str) -> Markup:
    """A bar of one part."""
    return stacked(((class_, value, words),), largest)


def keyed(parts: Sequence[tuple[str, float, str]], largest: float) -> Markup:
    """`stacked`, and below it what each colour stands for."""
    shown = [(class_, words) for class_, value, words in parts if value > 0]
    keys = Markup("").join(KEY.format(class_, words) for class_, words in shown)
    return stacked(parts, largest) + Markup('<div class="keys">{}</div>').format(keys)


KEY = Markup(
    '<span><svg class="key" viewBox="0 0 10 10" aria-hidden="true">'
    '<rect width="10" height="10" rx="2" class="{}"/></svg>{}</span>'
)
