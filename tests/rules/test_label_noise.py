"""LabelNoise, and the evidence that it goes by."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from tests.rules.classifiers import LABELS, LOGITS, answers, train, validate
from tests.rules.logs import Log
from tintype.rules.answers import Answers
from tintype.rules.confident_errors import ConfidentErrors

CLASSES = 5


def noisy_training(log: Log, share: float, *, sureness: float = 6.0, steps: int = 120, ids: bool = False) -> np.ndarray:
    """A network that knows the true classes, and labels of which a share is wrong; returns the wrong indices."""
    rng = np.random.default_rng(0)
    wrong = []
    for step in range(steps):
        truth = rng.integers(0, CLASSES, 20)
        logits = answers(truth, CLASSES, rng, sureness)
        is_wrong = rng.random(20) < share
        labels = np.where(is_wrong, (truth + rng.integers(1, CLASSES, 20)) % CLASSES, truth)
        names = np.array([f"images/{step}-{one}.jpg" for one in range(20)])
        train(log, logits, labels, **({"samples/ids": names} if ids else {}))
        wrong += names[is_wrong].tolist()
    return np.array(wrong)


def test_wrong_labels_are_found_with_their_images(tmp_path: Path) -> None:
    log = Log(tmp_path)
    wrong = noisy_training(log, 0.2, ids=True)
    run = log.judge("LabelNoise")
    assert run.findings
    assert 0.1 < run.findings[0].measured < 0.3
    assert set(run.findings[0].samples) <= set(wrong)


def test_right_labels_are_not(tmp_path: Path) -> None:
    log = Log(tmp_path)
    noisy_training(log, 0.0)
    run = log.judge("LabelNoise")
    assert not run.findings
    assert run.state.evaluated


def test_few_wrong_labels_are_below_the_threshold(tmp_path: Path) -> None:
    log = Log(tmp_path)
    noisy_training(log, 0.02)
    assert not log.judge("LabelNoise").findings


def test_a_network_in_doubt_is_not_noise(tmp_path: Path) -> None:
    log = Log(tmp_path)
    noisy_training(log, 0.0, sureness=1.2)
    assert not log.judge("LabelNoise").findings


def test_mixed_labels_are_not_judged(tmp_path: Path) -> None:
    log = Log(tmp_path)
    rng = np.random.default_rng(0)
    for _ in range(120):
        truth = rng.integers(0, CLASSES, 20)
        labels = 0.6 * np.eye(CLASSES)[truth] + 0.4 * np.eye(CLASSES)[rng.permutation(truth)]
        log.add({LOGITS: answers(truth, CLASSES, rng, 6.0), LABELS: labels.astype(np.float32)})
    assert not log.judge("LabelNoise").findings


def test_what_is_learned_by_heart_does_not_carry_over(tmp_path: Path) -> None:
    log = Log(tmp_path)
    rng = np.random.default_rng(0)
    for _ in range(3):
        noisy_training(log, 0.0, steps=40)
        truth = rng.integers(0, CLASSES, 200)
        validate(log, answers(rng.permutation(truth), CLASSES, rng), truth)
    run = log.judge("LabelNoise")
    assert run.findings
    assert "no better than guessing" in run.findings[0].message


def test_confident_errors_of_numbers_that_are_known() -> None:
    scores = np.zeros((100, 4))
    scores[:, 0] = np.linspace(2, 8, 100)          # always class 0, and the last are the surest
    scores[:, 1:] = [0.3, 0.2, 0.1]
    labels = np.zeros(100, np.int64)
    labels[90:] = 3                                # the surest ten are wrong, and their label is the last guess
    found = ConfidentErrors.of(Answers("CrossEntropyLoss", scores, labels))
    assert (found.surest, found.wrong, found.share) == (20, 10, 0.5)
    assert found.share_next == 0.0
    assert found.rank == 1.0
    assert 0.3 < found.at_least < 0.5


def test_without_errors_there_is_no_rank() -> None:
    scores = np.eye(4)[np.arange(100) % 4] * 5
    found = ConfidentErrors.of(Answers("CrossEntropyLoss", scores, np.arange(100) % 4))
    assert math.isnan(found.rank)
    assert not found.labels_are_random
    assert abs(found.at_least) < 1e-9
    assert not found.exceed(None)
