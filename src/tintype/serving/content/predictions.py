"""What a network says about a batch of pictures."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, final

import numpy as np


@final
@dataclass(frozen=True)
class Ranked:
    """One class and how probable it is."""

    label: str
    index: int              # into the classes of the model
    probability: float      # 0 to 1

    def to_json(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {"label": self.label, "index": self.index, "probability": self.probability}


@final
@dataclass(frozen=True, eq=False)
class Predictions:
    """The answers for n pictures, in order."""

    classes: tuple[str, ...]
    logits: np.ndarray      # float32 (n, classes), finite

    def __len__(self) -> int:
        return len(self.logits)

    @cached_property
    def probabilities(self) -> np.ndarray:
        """float32 (n, classes); each row adds up to 1."""
        shifted = np.exp(self.logits.astype(np.float64) - self.logits.max(axis=1, keepdims=True))
        return (shifted / shifted.sum(axis=1, keepdims=True)).astype(np.float32)

    @property
    def best(self) -> list[Ranked]:
        """For each picture the most probable class; of equals the first."""
        rows = self.probabilities
        return [
            Ranked(self.classes[index], index, float(row[index]))
            for row, index in zip(rows, rows.argmax(axis=1).tolist(), strict=True)
        ]

    def top(self, most: int) -> list[tuple[Ranked, ...]]:
        """For each picture the `most` probable classes, the most probable first; equals go by index."""
        return [
            tuple(Ranked(self.classes[index], index, probability) for index, probability in pairs)
            for pairs in self.likeliest(most)
        ]

    def likeliest(self, most: int) -> list[list[tuple[int, float]]]:
        """What `top` says, as (index, probability)."""
        return [
            list(zip((indices := _likeliest(row, most)).tolist(), row[indices].tolist(), strict=True))
            for row in self.probabilities
        ]


def _likeliest(probabilities: np.ndarray, most: int) -> np.ndarray:
    """The indices of the `most` largest of (classes,), the largest first, equals by index."""
    if most >= len(probabilities):
        return (-probabilities).argsort(kind="stable")
    ordered = probabilities.copy()              # of a thousand classes few are looked at any further
    ordered.partition(-most)
    candidates = (probabilities >= ordered[-most]).nonzero()[0]
    return candidates[(-probabilities[candidates]).argsort(kind="stable")[:most]]
