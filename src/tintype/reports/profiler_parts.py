"""What the profiler's report is made of: sections of sentences, figures and tables. Both the page and the notebook
place the same parts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from markupsafe import Markup

from tintype.reports.run_report import Missing


@final
@dataclass(frozen=True)
class Figure:
    """A drawing and its title."""

    title: str
    drawing: Markup
    note: str = ""


@final
@dataclass(frozen=True)
class Lacking:
    """A figure that cannot be drawn, and why: it keeps its place and its title."""

    title: str
    missing: Missing


@final
@dataclass(frozen=True)
class Table:
    """Rows of texts. `numeric` are the columns that are aligned to the right, `asides` those that are left out where
    rows are stacked as the screen is narrow; both from 0."""

    title: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str | Markup, ...], ...]
    numeric: frozenset[int] = frozenset()
    asides: frozenset[int] = frozenset()


@final
@dataclass(frozen=True)
class Section:
    """One section. `readings` are sentences that say what is to be seen."""

    id: str
    title: str
    readings: tuple[str, ...] = ()
    figures: tuple[Figure | Lacking, ...] = ()
    tables: tuple[Table, ...] = ()


def lacking(title: str, reason: str) -> Lacking:
    """A figure that is not there because of `reason`, a sentence."""
    return Lacking(title, Missing(reason))
