from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.rules.logs import Log
from tintype.debugger.modes import Mode
from tintype.rules.rule import Profile
from tintype.rules.status import RuleStatus

RULE = "Confusion"


def passes(folder: Path, *matrices: np.ndarray, trained: bool = True) -> Log:
    """A pass of evaluation for each matrix of counts [label, prediction], in two batches, after a step of training."""
    log = Log(folder)
    for matrix in matrices:
        right = np.tile(np.arange(len(matrix)), 20)
        scores = np.eye(len(matrix), dtype=np.float32)[right if trained else (right + 1) % len(matrix)]
        log.add({"CrossEntropyLoss_input_0": scores, "CrossEntropyLoss_input_1": right})
        labels, predictions = (np.repeat(side, matrix.reshape(-1)) for side in np.indices(matrix.shape).reshape(2, -1))
        for half in (slice(None, None, 2), slice(1, None, 2)):
            scores = np.eye(len(matrix), dtype=np.float32)[predictions[half]]
            log.add({"CrossEntropyLoss_input_0": scores, "CrossEntropyLoss_input_1": labels[half]}, Mode.EVAL)
    return log


GOOD = np.array([[45, 5, 0], [4, 44, 2], [0, 8, 42]])
TAKEN = np.array([[45, 5, 0], [4, 10, 36], [0, 8, 42]])
UNTRAINED = np.array([[50, 0, 0], [50, 0, 0], [50, 0, 0]])


def test_fires_for_a_class_that_is_taken_for_another(tmp_path: Path) -> None:
    run = passes(tmp_path, UNTRAINED, TAKEN).judge(RULE)
    assert [finding.message for finding in run.findings] == ["class 1 is taken for class 2: 72 %"]


def test_fires_for_a_pair_that_stands_out(tmp_path: Path) -> None:
    matrix = np.diag([60, 60, 60, 60])
    matrix[2] = [0, 2, 30, 28]
    matrix[0, 1] = 3
    run = passes(tmp_path, matrix).judge(RULE)
    assert [finding.message for finding in run.findings] == ["class 2 is taken for class 3: 46.7 %"]


@pytest.mark.parametrize("last", [GOOD, np.array([[20, 15, 15], [15, 20, 15], [15, 15, 20]])])
def test_ordinary_errors_pass(tmp_path: Path, last: np.ndarray) -> None:
    run = passes(tmp_path, UNTRAINED, last).judge(RULE)
    assert run.state.status is RuleStatus.NO_ISSUES_FOUND
    assert run.state.evaluated


def test_a_class_that_training_has_not_learned_either(tmp_path: Path) -> None:
    assert passes(tmp_path, TAKEN, trained=False).judge(RULE).state.status is RuleStatus.NO_ISSUES_FOUND


def test_a_pass_that_was_cut_short_does_not_count(tmp_path: Path) -> None:
    log = passes(tmp_path, GOOD)
    log.losses([1.0])
    log.add({"CrossEntropyLoss_input_0": np.eye(3)[[1] * 30], "CrossEntropyLoss_input_1": np.zeros(30, int)}, Mode.EVAL)
    assert log.judge(RULE).state.status is RuleStatus.NO_ISSUES_FOUND


def test_nothing_to_judge(tmp_path: Path) -> None:
    log = Log(tmp_path)
    log.losses([1.0])
    assert not log.judge(RULE).state.evaluated


# What the tests of SageMaker's own rule pinned.


def labelled(folder: Path, predictions: np.ndarray, count: int = 10) -> Log:
    log = Log(folder)
    log.add({"labels": np.arange(len(predictions)) % count, "predictions": predictions})
    return log


def test_perfect_predictions_pass(tmp_path: Path) -> None:
    run = labelled(tmp_path, np.arange(100) % 10).judge(RULE, Profile.SAGEMAKER)
    assert run.state.status is RuleStatus.NO_ISSUES_FOUND
    assert run.state.evaluated


@pytest.mark.parametrize("parameters", [{}, {"min_diag": "0", "max_off_diag": "0.01"}])
def test_one_wrong_sample_fires(tmp_path: Path, parameters: dict[str, str]) -> None:
    predictions = np.arange(10)
    predictions[4] = 7
    run = labelled(tmp_path, predictions).judge(RULE, Profile.SAGEMAKER, **parameters)
    assert run.state.first_step == 0
