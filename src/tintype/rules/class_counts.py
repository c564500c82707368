"""How often each class was the label, the prediction, or one taken for the other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import final

import numpy as np

from tintype.rules.step_view import Array, StepView


@final
@dataclass
class ClassCounts:
    """Adds up labels and predictions. Classes are numbers from 0; negative labels mean "ignore"."""

    labels: Counter[int] = field(default_factory=Counter)
    pairs: Counter[tuple[int, int]] = field(default_factory=Counter)       # (label, prediction)
    seen: int = 0                       # labels
    classes: int = 0                    # outputs of the network, when they are known

    def add(self, labels: Array, predictions: Array | None, classes: int = 0) -> None:
        """One batch: N labels, and as many predicted classes."""
        self.classes = max(self.classes, classes)
        kept = labels >= 0
        self.seen += int(kept.sum())
        self.labels.update(labels[kept].tolist())
        if predictions is not None:
            self.pairs.update(zip(labels[kept].tolist(), predictions[kept].tolist(), strict=True))

    def known(self, one: int) -> bool:
        """A class that came, or that the network has an output for."""
        return one in self.labels or one < self.classes

    def mispredicted(self) -> Mapping[int, float]:
        """The share of each class that was taken for another; empty without predictions."""
        total: Counter[int] = Counter()
        wrong: Counter[int] = Counter()
        for (label, prediction), count in self.pairs.items():
            total[label] += count
            wrong[label] += count if label != prediction else 0
        return {label: wrong[label] / count for label, count in total.items()}


def labels_at(step: StepView, regexes: Sequence[str]) -> Array | None:
    """The labels at `step` in the first tensor that an expression finds, as int64 N; one-hot rows become classes."""
    value = _first(step, regexes)
    if value is None:
        return None
    return (value.argmax(axis=1) if value.ndim == 2 and value.shape[1] > 1 else value.reshape(-1)).astype(np.int64)


def predictions_at(step: StepView, regexes: Sequence[str], argmax: bool, count: int) -> Array | None:
    """The predicted classes at `step`, int64 N; None when there are not `count` of them. Scores become classes."""
    value = _first(step, regexes)
    if value is None:
        return None
    if value.ndim > 1 and (argmax or value.size != count):
        value = value.argmax(axis=1)
    flat = value.reshape(-1)
    return np.round(flat).astype(np.int64) if flat.size == count else None


def _first(step: StepView, regexes: Sequence[str]) -> Array | None:
    for name in step.names(regexes):
        value = step.value(name)
        if value is not None and value.ndim and value.dtype.kind in "biuf":
            return value
    return None
