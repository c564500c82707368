"""The sections on the final model: the confusion matrix, the most confused pairs, the classes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from markupsafe import Markup

from tintype.reports.confusion import confused_pairs, hardest_classes
from tintype.reports.figures.bars import bar
from tintype.reports.figures.matrix import confusion
from tintype.reports.run_report import ClassScore, Judgement
from tintype.reports.wording import percent

MATRIX_CLASSES = 150                                        # of more classes only the most confused are drawn
MATRIX_OF_MANY = 60
PAIRS_LISTED = 10


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
class JudgementView:
    """Figures and rows about one split."""

    matrix: Markup
    matrix_classes: int                                     # how many of the classes are in it
    pairs: tuple[Pair, ...]                                 # the most confused, most frequent first
    rows: tuple[ClassRow, ...]                              # the weakest class first


def judgement_view(judgement: Judgement) -> JudgementView:
    """Draw and sort."""
    names = [one.name for one in judgement.per_class]
    counts = judgement.confusion
    if len(names) > MATRIX_CLASSES:
        kept = hardest_classes(counts, MATRIX_OF_MANY)
        counts, names = counts[np.ix_(kept, kept)], [names[n] for n in kept.tolist()]
    return JudgementView(confusion(counts, names), len(names), _pairs(judgement), _rows(judgement))


def _pairs(judgement: Judgement) -> tuple[Pair, ...]:
    scores = judgement.per_class
    return tuple(
        Pair(scores[true].name, scores[predicted].name, images, images / scores[true].support)
        for true, predicted, images in confused_pairs(judgement.confusion)[:PAIRS_LISTED]
    )


def _rows(judgement: Judgement) -> tuple[ClassRow, ...]:
    rows = sorted(judgement.per_class, key=lambda one: (one.f1 is None, one.f1 or 0.0, -one.support))
    return tuple(ClassRow(one, bar(one.f1 or 0.0, 1.0, "f-f1", f"F1 {percent(one.f1)}")) for one in rows)
