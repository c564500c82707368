"""The plane of a figure: two scales, their axes, and the rectangle between them in SVG units."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

from markupsafe import Markup

from tintype.reports.figures.scales import Scale
from tintype.reports.figures.svg import element, group, text
from tintype.reports.wording import display

TICK_CHARACTER = 6.0                                        # width of a digit of a tick label, SVG units


@final
@dataclass(frozen=True)
class Plane:
    """A rectangle `right - left` wide and `bottom - top` high, in SVG units from the figure's upper left corner."""

    x: Scale
    y: Scale
    left: float = 46.0
    right: float = 408.0
    top: float = 30.0
    bottom: float = 206.0

    def across(self, share: float) -> float:
        """The SVG x of a position 0..1 along the horizontal axis."""
        return self.left + share * (self.right - self.left)

    def up(self, share: float) -> float:
        """The SVG y of a position 0..1 along the vertical axis, which points up."""
        return self.bottom - share * (self.bottom - self.top)

    def place(self, x: float, y: float) -> tuple[float, float]:
        """Where the values `x` and `y` are, in SVG units."""
        return self.across(self.x.position(x)), self.up(self.y.position(y))

    def axes(self, x_label: str, y_label: str) -> Markup:
        """Grid, ticks and the names of both axes, with their units in them."""
        rows = [self._row(tick.position, tick.label) for tick in self.y.ticks() if -0.001 <= tick.position <= 1.001]
        ticks = [tick for tick in self.x.ticks(6) if -0.001 <= tick.position <= 1.001]
        columns = [self._column(tick.position, tick.label) for tick in ticks]
        names = (
            text(0, self.top - 14, display(y_label, 48), class_="axis"),
            text(self.right, self.bottom + 36, display(x_label, 48), class_="axis", text_anchor="end"),
        )
        return group((*rows, *columns, *names), class_="axes")

    def legend(self, entries: Sequence[tuple[str, str]]) -> Markup:
        """(name, class) of each series, right-aligned above the plane."""
        marks: list[Markup] = []
        x = self.right
        for name, class_ in reversed(entries):
            x -= 6.4 * len(name)
            marks.append(text(x, self.top - 14, name, class_="key"))
            marks.append(element("line", x1=x - 22, x2=x - 5, y1=self.top - 18, y2=self.top - 18, class_=class_))
            x -= 36
        return group(marks)

    def _row(self, share: float, label: str) -> Markup:
        y = self.up(share)
        return group((
            element("line", x1=self.left, x2=self.right, y1=y, y2=y, class_="grid"),
            text(self.left - 7, y + 3.5, label, class_="tick", text_anchor="end"),
        ))

    def _column(self, share: float, label: str) -> Markup:
        x = self.across(share)
        return group((
            element("line", x1=x, x2=x, y1=self.bottom, y2=self.bottom + 4, class_="tickmark"),
            text(x, self.bottom + 17, label, class_="tick", text_anchor="middle"),
        ))
