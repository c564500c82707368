"""From a `RunReport` to what the template places: figures drawn, rows sorted and cut to what a page can hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from tintype.reports.examples import Example, examples
from tintype.reports.figures.bars import bar, stacked
from tintype.reports.figures.curves import Curve, accuracy_curves, loss_curves
from tintype.reports.figures.interval import interval
from tintype.reports.figures.reliability import reliability
from tintype.reports.judgement_view import JudgementView, judgement_view
from tintype.reports.readings import baseline
from tintype.reports.run_report import (
    Calibration,
    Curves,
    Data,
    Judgement,
    Missing,
    Picture,
    RunReport,
    Tuning,
)
from tintype.reports.tuning_view import TuningView, tuning_view
from tintype.reports.wording import counted, quantity, seconds

UNSORTED_CLASSES = 12                                       # so few keep their own order
COUNTED_CLASSES = 150                                       # of more classes only the largest and smallest are counted
COUNTED_OF_MANY = 40
HERO_PICTURES = 10


@dataclass(frozen=True)
class CountRow:
    """A class in the data section: its images per split, in the order of the table's columns."""

    name: str
    counts: tuple[int, ...]
    total: int
    bar: Markup


@dataclass(frozen=True)
class View:
    """All that the template places besides the report's own fields."""

    hero: tuple[Picture, ...]
    gauge: Markup | None
    tuned: tuple[tuple[str, str], ...]                      # hyperparameters that were searched for
    fixed: tuple[tuple[str, str], ...]                      # all the others
    splits: tuple[str, ...]
    count_rows: tuple[CountRow, ...]
    count_left_out: int
    tuning: TuningView | None
    loss: Markup | None
    accuracy: Markup | None
    judgement: JudgementView | None
    top5: bool                                              # does any split have a top-5 accuracy worth a column?
    reliability: Markup | None
    phase_rows: tuple[tuple[str, float, Markup], ...]
    examples: tuple[Example, ...]


def view(report: RunReport) -> View:
    """Draw and sort everything."""
    judgement = report.judgement if isinstance(report.judgement, Judgement) else None
    curves = report.curves if isinstance(report.curves, Curves) else None
    counts, left_out = _count_rows(report.data)
    tuned, fixed = _hyperparameters(report)
    return View(
        hero=_hero(report.data),
        gauge=_gauge(report, judgement),
        tuned=tuned,
        fixed=fixed,
        splits=tuple(report.data.counts),
        count_rows=counts,
        count_left_out=left_out,
        tuning=tuning_view(report.tuning) if isinstance(report.tuning, Tuning) else None,
        loss=loss_curves(_lines(curves.loss), curves.best_epoch) if curves and curves.loss else None,
        accuracy=accuracy_curves(_lines(curves.accuracy), curves.best_epoch) if curves and curves.accuracy else None,
        judgement=judgement_view(judgement) if judgement else None,
        top5=any(score.top5 is not None for score in report.scores),
        reliability=reliability(report.calibration.bins) if isinstance(report.calibration, Calibration) else None,
        phase_rows=_phase_rows(report),
        examples=examples(report),
    )


# ------------------------------------------------------------------------------------------- overview and data


def _hero(data: Data) -> tuple[Picture, ...]:
    """The first pictures of each class in turn."""
    if isinstance(data.samples, Missing):
        return ()
    deepest = max(len(sample.pictures) for sample in data.samples)
    turns = (sample.pictures[n] for n in range(deepest) for sample in data.samples if n < len(sample.pictures))
    return tuple(turns)[:HERO_PICTURES]


def _gauge(report: RunReport, judgement: Judgement | None) -> Markup | None:
    headline = report.headline
    if headline is None or not headline.images:
        return None
    return interval(headline.accuracy, headline.low, headline.high, baseline(judgement) if judgement else None)


def _hyperparameters(report: RunReport) -> tuple[tuple[tuple[str, str], ...], tuple[tuple[str, str], ...]]:
    """(searched for, all others); the searched ones with the values of the best trial."""
    if isinstance(report.hyperparameters, Missing):
        return (), ()
    searched = [one.name for one in report.tuning.ranges] if isinstance(report.tuning, Tuning) else []
    written = {name: quantity(value) if value is not None else "auto" for name, value in report.hyperparameters.items()}
    tuned = tuple((name, written[name]) for name in searched if name in written)
    return tuned, tuple((name, value) for name, value in written.items() if name not in searched)


def _count_rows(data: Data) -> tuple[tuple[CountRow, ...], int]:
    """The classes' sizes (the largest first, unless they are few), and how many in the middle were left out."""
    splits = list(data.counts)
    rows = [(name, tuple(data.counts[split][n] for split in splits)) for n, name in enumerate(data.classes)]
    if len(rows) > UNSORTED_CLASSES:
        rows.sort(key=lambda row: -sum(row[1]))
    largest = max((sum(counts) for _, counts in rows), default=0)
    left_out = len(rows) - COUNTED_OF_MANY if len(rows) > COUNTED_CLASSES else 0
    if left_out:
        rows = rows[: COUNTED_OF_MANY // 2] + rows[-COUNTED_OF_MANY // 2 :]
    return tuple(_count_row(name, counts, splits, largest) for name, counts in rows), left_out


def _count_row(name: str, counts: tuple[int, ...], splits: Sequence[str], largest: int) -> CountRow:
    pairs = zip(splits, counts, strict=True)
    parts = [(f"f-{split}", float(count), f"{split}: {counted(count, 'image')}") for split, count in pairs]
    return CountRow(name, counts, sum(counts), stacked(parts, largest))


# -------------------------------------------------------------------------------------- training and judgement


def _lines(curves: Mapping[str, tuple[float, ...]]) -> list[Curve]:
    return [Curve(split, values) for split, values in curves.items()]


def _phase_rows(report: RunReport) -> tuple[tuple[str, float, Markup], ...]:
    if isinstance(report.phases, Missing):
        return ()
    rest = report.seconds - sum(duration for _, duration in report.phases)
    phases = (*report.phases, ("everything else", rest)) if rest > 0 else report.phases
    longest = max(duration for _, duration in phases)
    return tuple((name, duration, bar(duration, longest, "f-time", seconds(duration))) for name, duration in phases)
