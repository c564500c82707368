"""From a `RunReport` to what the template places: figures drawn, rows sorted and cut to what a page can hold."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath

import numpy as np
from markupsafe import Markup

from tintype.reports.confusion import confused_pairs, hardest_classes
from tintype.reports.figures.bars import bar, stacked
from tintype.reports.figures.curves import Curve, accuracy_curves, loss_curves
from tintype.reports.figures.interval import interval
from tintype.reports.figures.matrix import confusion
from tintype.reports.figures.reliability import reliability
from tintype.reports.readings import baseline
from tintype.reports.run_report import (
    Calibration,
    ClassScore,
    Curves,
    Data,
    Judgement,
    Missing,
    Picture,
    RunReport,
    Tuning,
)
from tintype.reports.tuning_view import TuningView, tuning_view
from tintype.reports.wording import counted, percent, quantity, seconds

MATRIX_CLASSES = 150                                        # of more classes only the most confused are drawn
MATRIX_OF_MANY = 60
COUNTED_CLASSES = 150                                       # of more classes only the largest and smallest are counted
COUNTED_OF_MANY = 40
HERO_PICTURES = 10
PAIRS_LISTED = 10
CONTENT_TYPES = {".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".png": "image/png", ".webp": "image/webp"}


@dataclass(frozen=True)
class CountRow:
    """A class in the data section: its images per split, in the order of the table's columns."""

    name: str
    counts: tuple[int, ...]
    total: int
    bar: Markup


@dataclass(frozen=True)
class ClassRow:
    """A line of the per-class table."""

    score: ClassScore
    bar: Markup


@dataclass(frozen=True)
class Pair:
    """Images of one class that were taken for another."""

    true: str
    predicted: str
    images: int
    share: float                                            # of the true class's images in the split


@dataclass(frozen=True)
class Example:
    """A piece of code to copy."""

    title: str
    code: str


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
    matrix: Markup | None
    matrix_classes: int
    pairs: tuple[Pair, ...]                                 # the most confused, most frequent first
    top5: bool                                              # does any split have a top-5 accuracy worth a column?
    class_rows: tuple[ClassRow, ...]
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
        matrix=_matrix(judgement) if judgement else None,
        matrix_classes=_matrix_classes(judgement) if judgement else 0,
        pairs=_pairs(judgement) if judgement else (),
        top5=any(score.top5 is not None for score in report.scores),
        class_rows=_class_rows(judgement) if judgement else (),
        reliability=reliability(report.calibration.bins) if isinstance(report.calibration, Calibration) else None,
        phase_rows=_phase_rows(report),
        examples=_examples(report),
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
    """The classes' sizes, largest first, and how many classes in the middle were left out."""
    splits = list(data.counts)
    rows = [(name, tuple(data.counts[split][n] for split in splits)) for n, name in enumerate(data.classes)]
    if len(rows) > COUNTED_CLASSES or len(rows) > 12:
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


def _matrix_classes(judgement: Judgement) -> int:
    count = len(judgement.per_class)
    return count if count <= MATRIX_CLASSES else MATRIX_OF_MANY


def _matrix(judgement: Judgement) -> Markup:
    names = [one.name for one in judgement.per_class]
    if len(names) <= MATRIX_CLASSES:
        return confusion(judgement.confusion, names)
    kept = hardest_classes(judgement.confusion, MATRIX_OF_MANY)
    return confusion(judgement.confusion[np.ix_(kept, kept)], [names[n] for n in kept.tolist()])


def _pairs(judgement: Judgement) -> tuple[Pair, ...]:
    scores = judgement.per_class
    return tuple(
        Pair(scores[true].name, scores[predicted].name, images, images / scores[true].support)
        for true, predicted, images in confused_pairs(judgement.confusion)[:PAIRS_LISTED]
    )


def _class_rows(judgement: Judgement) -> tuple[ClassRow, ...]:
    """The weakest class first: that is the one to look at."""
    rows = sorted(judgement.per_class, key=lambda one: (one.f1 is None, one.f1 or 0.0, -one.support))
    return tuple(ClassRow(one, bar(one.f1 or 0.0, 1.0, "f-f1", f"F1 {percent(one.f1)}")) for one in rows)


def _phase_rows(report: RunReport) -> tuple[tuple[str, float, Markup], ...]:
    if isinstance(report.phases, Missing):
        return ()
    rest = report.seconds - sum(duration for _, duration in report.phases)
    phases = (*report.phases, ("everything else", rest)) if rest > 0 else report.phases
    longest = max(duration for _, duration in phases)
    return tuple((name, duration, bar(duration, longest, "f-time", seconds(duration))) for name, duration in phases)


# ---------------------------------------------------------------------------------------------------- examples


def _examples(report: RunReport) -> tuple[Example, ...]:
    """How to ask the endpoint: the shell, Python, and our own command. Without an endpoint, how to make one first."""
    suffix = PurePath(report.sample_file).suffix.lower()
    photo = report.sample_file if suffix in CONTENT_TYPES else "photo.jpg"
    kind = CONTENT_TYPES.get(suffix, "image/jpeg")
    if isinstance(report.endpoint, Missing):
        name, url = report.name, "http://127.0.0.1:PORT/invocations"
        first = (Example("Deploy it first", f"tintype deploy {shlex.quote(report.name)}"),)
    else:
        name, url = report.endpoint.name, report.endpoint.url
        first = ()
    curl = f"curl --data-binary @{shlex.quote(photo)} -H 'Content-Type: {kind}' {shlex.quote(url)}"
    python = (
        "import httpx\n\n"
        f"image = open({photo!r}, 'rb').read()\n"
        f"answer = httpx.post({url!r}, content=image, headers={{'Content-Type': {kind!r}}})\n"
        "print(answer.json())"
    )
    command = f"tintype predict {shlex.quote(name)} {shlex.quote(photo)}"
    return (*first, Example("From a shell", curl), Example("From Python", python), Example("With Tintype", command))
