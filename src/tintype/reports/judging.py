"""How good the final model is, from its evaluation and its predictions: pure arithmetic on arrays."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tintype.reports.figures.reliability import Bin
from tintype.reports.run_report import Calibration, ClassScore

BINS = 10
Z_95 = 1.959964                                             # normal quantile of a two-sided 95% interval


@dataclass(frozen=True, eq=False)
class Predictions:
    """`predictions-<split>.npz`: row i is about image `indices[i]` of the data set."""

    indices: NDArray[np.int64]                              # (n,)
    labels: NDArray[np.int64]                               # (n,) true classes
    probabilities: NDArray[np.float32]                      # (n, classes), rows sum to 1

    @property
    def predicted(self) -> NDArray[np.int64]:
        """(n,) the most probable class."""
        return self.probabilities.argmax(axis=1)

    @property
    def confidence(self) -> NDArray[np.float32]:
        """(n,) the probability of the predicted class."""
        return self.probabilities.max(axis=1)


def wilson(right: int, total: int) -> tuple[float, float]:
    """The 95% interval of a share of `right` in `total`; (0, 1) when `total` is 0. Honest for small sets, unlike ±."""
    if total == 0:
        return 0.0, 1.0
    share, z2 = right / total, Z_95**2
    middle = (share + z2 / (2 * total)) / (1 + z2 / total)
    half = Z_95 * math.sqrt(share * (1 - share) / total + z2 / (4 * total**2)) / (1 + z2 / total)
    return max(0.0, middle - half), min(1.0, middle + half)


def class_scores(confusion: NDArray[np.int64], classes: Sequence[str]) -> tuple[ClassScore, ...]:
    """Precision, recall and F1 of each class; None for 0 of 0."""
    right = np.diagonal(confusion)
    truly, said = confusion.sum(axis=1), confusion.sum(axis=0)
    return tuple(
        ClassScore(
            name,
            precision=_ratio(right[n], said[n]),
            recall=_ratio(right[n], truly[n]),
            f1=_ratio(2 * right[n], truly[n] + said[n]),
            support=int(truly[n]),
        )
        for n, name in enumerate(classes)
    )


def calibration(predictions: Predictions, split: str) -> Calibration:
    """The reliability of the predicted classes' probabilities, in `BINS` bins of equal width."""
    confidence = predictions.confidence.astype(np.float64)
    right = predictions.predicted == predictions.labels
    place = np.minimum((confidence * BINS).astype(np.int64), BINS - 1)
    bins = tuple(_bin(n, confidence[place == n], right[place == n]) for n in range(BINS))
    error = sum(one.count * abs(one.accuracy - one.confidence) for one in bins) / len(confidence)
    return Calibration(split, error, float(confidence.mean()), float(right.mean()), bins)


def most_wrong(predictions: Predictions) -> NDArray[np.int64]:
    """Rows of the wrongly classified images, the most certain first; ties in the order of the rows."""
    wrong = np.flatnonzero(predictions.predicted != predictions.labels)
    return wrong[np.argsort(-predictions.confidence[wrong], kind="stable")]


def _bin(n: int, confidence: NDArray[np.float64], right: NDArray[np.bool_]) -> Bin:
    if not len(confidence):
        return Bin(n / BINS, (n + 1) / BINS, 0, 0.0, 0.0)
    return Bin(n / BINS, (n + 1) / BINS, len(confidence), float(right.mean()), float(confidence.mean()))


def _ratio(part: np.integer, whole: np.integer) -> float | None:
    return float(part / whole) if whole else None
