"""Logs of classifiers that never were: logits of a chosen accuracy and sureness, as a loss would be given them."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.rules.logs import Log
from tintype.debugger.modes import Mode

LOGITS, LABELS, LOSS = "CrossEntropyLoss_input_0", "CrossEntropyLoss_input_1", "CrossEntropyLoss_output_0"
Array = np.ndarray[Any, Any]


def answers(labels: Array, classes: int, rng: np.random.Generator, sureness: float = 4.0, noise: float = 1.0) -> Array:
    """Logits that favour `labels`: float32 N×classes. Higher `noise` makes more errors, the surer the rarer."""
    scores = rng.normal(0, noise, (len(labels), classes))
    scores[np.arange(len(labels)), labels] += rng.uniform(0.5, 1.5, len(labels)) * sureness
    return scores.astype(np.float32)


def train(log: Log, logits: Array, labels: Array, **tensors: Any) -> None:
    """A step of training."""
    log.add({LOGITS: logits, LABELS: labels.astype(np.int64), LOSS: 1.0, **tensors})


def validate(log: Log, logits: Array, labels: Array, batches: int = 2) -> None:
    """A pass of evaluation."""
    for scores, truth in zip(np.array_split(logits, batches), np.array_split(labels, batches), strict=True):
        log.add({LOGITS: scores, LABELS: truth.astype(np.int64), LOSS: 1.0}, Mode.EVAL)


def epochs(log: Log, passes: int, steps: int, valid: tuple[Array, Array], *, classes: int = 4) -> None:
    """`passes` times `steps` steps of training with sound answers, each followed by the given answers in validation."""
    rng = np.random.default_rng(0)
    for _ in range(passes):
        for _ in range(steps):
            labels = rng.integers(0, classes, 16)
            train(log, answers(labels, classes, rng), labels)
        validate(log, *valid)
