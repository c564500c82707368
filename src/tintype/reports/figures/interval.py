"""A share with its interval on a line from 0 to 100%, and what guessing would get."""

from __future__ import annotations

from markupsafe import Markup

from tintype.reports.figures.svg import drawing, element, text, titled
from tintype.reports.wording import percent

WIDTH, Y = 260.0, 12.0


def interval(share: float, low: float, high: float, guess: float | None) -> Markup:
    """`share`, its interval `low`..`high` and the `guess` of a model that always says the same; all in 0..1."""
    said = f"{percent(share)}, 95% interval {percent(low)} to {percent(high)}"
    reach = max(WIDTH * (high - low), 2.0)
    parts = [
        element("rect", x=0, y=Y - 3, width=WIDTH, height=6, rx=3, class_="track"),
        titled("rect", said, x=WIDTH * low, y=Y - 6, width=reach, height=12, rx=6, class_="reach"),
        element("circle", cx=WIDTH * share, cy=Y, r=5, class_="at"),
    ]
    if guess is not None:
        words = f"always naming the largest class: {percent(guess)}"
        at = WIDTH * guess
        anchor = "start" if guess < 0.25 else "end" if guess > 0.75 else "middle"
        parts.append(titled("line", words, x1=at, x2=at, y1=Y - 8, y2=Y + 8, class_="guess"))
        parts.append(text(at, Y + 23, f"guessing {percent(guess, 0)}", class_="tick", text_anchor=anchor))
    return drawing(WIDTH, 40, said, parts, class_="gauge")
