"""ClassCollapse, DeadClass and AugmentationTooStrong: what passes of evaluation answer."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tests.rules.classifiers import LABELS, LOGITS, answers, epochs, train, validate
from tests.rules.logs import Log
from tintype.debugger.modes import Mode

RNG = np.random.default_rng(1)
TRUTH = np.arange(200) % 4


def always(one: int) -> np.ndarray:
    logits = np.zeros((200, 4), np.float32)
    logits[:, one] = 3
    return logits


def test_one_answer_to_everything_is_a_collapse(tmp_path: Path) -> None:
    log = Log(tmp_path)
    epochs(log, 4, 20, (always(2), TRUTH))
    run = log.judge("ClassCollapse")
    assert run.findings
    assert "class 2" in run.findings[0].message
    assert run.findings[0].measured == 1.0
    assert run.findings[0].mode is Mode.EVAL


def test_a_collapse_in_the_first_steps_alone_is_usual(tmp_path: Path) -> None:
    log = Log(tmp_path)
    epochs(log, 2, 10, (always(2), TRUTH))
    epochs(log, 3, 20, (answers(TRUTH, 4, RNG), TRUTH))
    run = log.judge("ClassCollapse")
    assert not run.findings
    assert run.state.evaluated


def test_a_class_that_is_nearly_all_is_no_collapse(tmp_path: Path) -> None:
    log = Log(tmp_path)
    epochs(log, 4, 20, (always(2), np.full(200, 2)))
    assert not log.judge("ClassCollapse").findings


def test_without_evaluation_nothing_could_be_judged(tmp_path: Path) -> None:
    log = Log(tmp_path)
    for _ in range(40):
        train(log, answers(TRUTH[:16], 4, RNG), TRUTH[:16])
    run = log.judge("ClassCollapse")
    assert not run.state.evaluated
    assert "passes of evaluation" in run.state.details


def never(one: int) -> np.ndarray:
    logits = answers(TRUTH, 4, RNG)
    logits[:, one] = -10
    return logits


def test_a_class_that_is_never_answered_is_dead(tmp_path: Path) -> None:
    log = Log(tmp_path)
    epochs(log, 4, 20, (never(3), TRUTH))
    run = log.judge("DeadClass")
    assert [one.message for one in run.findings] == [
        "no image is answered with class 3, which is the label of 50 validation images"
    ]


def test_a_class_without_labels_or_a_network_without_skill_is_not_reported(tmp_path: Path) -> None:
    log = Log(tmp_path / "no labels")
    truth = np.arange(200) % 3
    epochs(log, 4, 20, (answers(truth, 4, RNG, sureness=8), truth))
    assert not log.judge("DeadClass").findings
    log = Log(tmp_path / "no skill")
    epochs(log, 4, 20, (always(0), TRUTH))
    assert not log.judge("DeadClass").findings


def augmented(log: Log, sureness: float) -> None:
    """Training answers of a chosen sureness, and validation that goes well."""
    for _ in range(5):
        for _ in range(20):
            labels = RNG.integers(0, 4, 16)
            train(log, answers(labels, 4, RNG, sureness), labels)
        validate(log, answers(TRUTH, 4, RNG), TRUTH)


def test_training_that_stays_far_behind_validation(tmp_path: Path) -> None:
    log = Log(tmp_path)
    augmented(log, 0.7)
    run = log.judge("AugmentationTooStrong")
    assert run.findings
    assert run.findings[0].measured > 0.1


def test_training_as_good_as_validation_is_healthy(tmp_path: Path) -> None:
    log = Log(tmp_path)
    augmented(log, 4.0)
    run = log.judge("AugmentationTooStrong")
    assert not run.findings
    assert run.state.evaluated


def test_training_that_catches_up_is_healthy(tmp_path: Path) -> None:
    log = Log(tmp_path)
    for sureness in (0.2, 1.0, 2.0, 3.0, 4.0):
        for _ in range(20):
            labels = RNG.integers(0, 4, 16)
            train(log, answers(labels, 4, RNG, sureness), labels)
        validate(log, answers(TRUTH, 4, RNG, sureness + 0.8), TRUTH)
    assert not log.judge("AugmentationTooStrong").findings


def test_logits_that_are_not_finite_do_not_crash(tmp_path: Path) -> None:
    log = Log(tmp_path)
    for _ in range(3):
        for _ in range(20):
            log.add({LOGITS: np.full((16, 4), np.nan, np.float32), LABELS: TRUTH[:16]})
        validate(log, np.full((200, 4), np.nan, np.float32), TRUTH)
    read = log.judge("ClassCollapse")
    assert not read.trace


def test_mixed_labels_have_no_accuracy(tmp_path: Path) -> None:
    log = Log(tmp_path)
    for _ in range(5):
        for _ in range(20):
            labels = RNG.integers(0, 4, 16)
            mixed = {"CrossEntropyLoss_input_2": np.zeros((16, 4)), "CrossEntropyLoss_input_3": labels}
            train(log, answers(labels, 4, RNG, 0.7), labels, **mixed)
        validate(log, answers(TRUTH, 4, RNG), TRUTH)
    assert not log.judge("AugmentationTooStrong").findings
