"""Probabilities and the likeliest classes: what a plain sort says, to the bit, whatever the logits."""

from __future__ import annotations

import numpy as np
import pytest

from tintype.serving.content.predictions import Predictions

NOISE = np.random.default_rng(3)
LARGEST = float(np.finfo(np.float32).max)
ODD = {
    "random": NOISE.normal(0, 4, (3, 1000)),
    "far apart": NOISE.normal(0, 1e4, (2, 1000)),       # most probabilities are 0
    "close": 5 + NOISE.normal(0, 1e-7, (2, 1000)),      # most are equal
    "equal": np.zeros((2, 50)),
    "two values": NOISE.integers(0, 2, (4, 300)),
    "one class": NOISE.normal(0, 4, (3, 1)),
    "two classes": NOISE.normal(0, 4, (3, 2)),
    "as many as are asked for": NOISE.normal(0, 4, (3, 5)),
    "the largest there are": np.array([[LARGEST, -LARGEST, 0, LARGEST, 1, -1]]),
    "zeros of both signs": np.array([[0.0, -0.0, 0.0, -0.0, 0.0, -0.0]]),
    "21,000 classes": NOISE.normal(0, 4, (1, 21_000)),
    "several large": NOISE.integers(-3, 3, (2, 21_000)),
}


def by_sorting(logits: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(probabilities, the order of the classes)"""
    shifted = np.exp(logits.astype(np.float64) - logits.max(axis=1, keepdims=True))
    rows = (shifted / shifted.sum(axis=1, keepdims=True)).astype(np.float32)
    return rows, np.argsort(-rows, axis=1, kind="stable")


@pytest.mark.parametrize("name", ODD)
@pytest.mark.parametrize("most", [1, 2, 5, 1000, 10_000])
def test_the_likeliest_classes_are_those_of_a_sort(name: str, most: int) -> None:
    logits = ODD[name].astype(np.float32)
    predictions = Predictions(tuple(map(str, range(logits.shape[1]))), logits)
    rows, order = by_sorting(logits)
    assert predictions.probabilities.tobytes() == rows.tobytes()
    for ranked, row, wanted in zip(predictions.top(most), rows, order, strict=True):
        assert [one.index for one in ranked] == wanted[:most].tolist()
        assert [one.label for one in ranked] == [str(index) for index in wanted[:most]]
        assert [one.probability for one in ranked] == [float(row[index]) for index in wanted[:most]]
    assert [one.index for one in predictions.best] == order[:, 0].tolist()
    assert predictions.best == [ranked[0] for ranked in predictions.top(most)]
