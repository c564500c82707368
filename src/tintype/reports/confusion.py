"""Arithmetic on a confusion matrix."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Counts: TypeAlias = NDArray[np.int64]                       # (classes, classes): rows true, columns predicted


def confused_pairs(confusion: Counts) -> list[tuple[int, int, int]]:
    """(true, predicted, images) of all confusions, the most frequent first."""
    wrong = confusion * (1 - np.eye(len(confusion), dtype=np.int64))
    rows, columns = np.nonzero(wrong)
    order = np.argsort(-wrong[rows, columns], kind="stable")
    return [(int(rows[n]), int(columns[n]), int(wrong[rows[n], columns[n]])) for n in order]


def hardest_classes(confusion: Counts, limit: int) -> NDArray[np.int64]:
    """The `limit` classes with the most confusions, as true or as predicted class, in their own order."""
    wrong = confusion * (1 - np.eye(len(confusion), dtype=np.int64))
    involved = wrong.sum(axis=0) + wrong.sum(axis=1)
    return np.sort(np.argsort(-involved, kind="stable")[:limit])
