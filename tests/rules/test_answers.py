"""What a loss was given, read back as answers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tests.rules.classifiers import LABELS, LOGITS, train
from tests.rules.logs import Log
from tintype.debugger.tensor_log import TensorLog
from tintype.rules.answers import Answers, joined
from tintype.rules.step_view import StepView


def at(log: TensorLog, step: int = 0) -> Answers | None:
    return Answers.at(StepView.at(log, step))


def test_logits_and_labels_with_the_samples_names(tmp_path: Path) -> None:
    log = Log(tmp_path)
    logits = np.array([[2, 0, 0], [0, 0, 3]], np.float32)
    train(log, logits, np.array([0, 1]), **{"samples/ids": np.array(["a.jpg", "b.jpg"])})
    answers = at(log.read())
    assert answers is not None
    assert answers.loss == "CrossEntropyLoss"
    assert answers.predicted.tolist() == [0, 2]
    assert answers.right == 0.5
    assert answers.samples == ("a.jpg", "b.jpg")
    assert answers.losses == pytest.approx([np.log(1 + 2 * np.exp(-2)), np.log(2 + np.exp(3))])


def test_one_score_is_two_classes(tmp_path: Path) -> None:
    log = Log(tmp_path)
    log.add({"BCEWithLogitsLoss_input_0": np.array([[3.0], [-3.0]], np.float32),
             "BCEWithLogitsLoss_input_1": np.array([[1.0], [1.0]], np.float32)})  # fmt: skip
    answers = at(log.read())
    assert answers is not None
    assert answers.classes == 2
    assert answers.predicted.tolist() == [1, 0]
    assert answers.labels.tolist() == [1, 1]


def test_ignored_labels_are_left_out_and_mixed_ones_are_soft(tmp_path: Path) -> None:
    log = Log(tmp_path)
    logits = np.zeros((3, 2), np.float32)
    train(log, logits, np.array([0, -100, 1]))
    log.add({LOGITS: logits, LABELS: np.array([[0.7, 0.3], [0, 1], [1, 0]], np.float32)})
    log.add({LOGITS: logits, LABELS: np.array([[1, 0], [0, 1], [1, 0]], np.float32)})
    read = log.read()
    first, mixed, one_hot = at(read, 0), at(read, 1), at(read, 2)
    assert first is not None
    assert mixed is not None
    assert one_hot is not None
    assert len(first) == 2
    assert mixed.soft
    assert not one_hot.soft
    assert one_hot.labels.tolist() == [0, 1, 0]


def test_what_is_no_classification_has_no_answers(tmp_path: Path) -> None:
    log = Log(tmp_path)
    log.add({LOGITS: np.zeros((2, 3, 4, 4), np.float32), LABELS: np.zeros((2, 4, 4), np.int64)})
    log.add({"weight": np.zeros(3)})
    log.add({LOGITS: np.zeros((2, 3), np.float32)})
    read = log.read()
    assert [at(read, step) for step in range(3)] == [None, None, None]


@given(arrays(np.float64, (5, 3), elements=st.floats(width=32)))
def test_any_scores_have_probabilities_and_finite_losses(scores: np.ndarray) -> None:
    answers = Answers("CrossEntropyLoss", scores, np.array([0, 1, 2, 0, 1]))
    assert np.allclose(answers.probabilities.sum(axis=1), 1)
    assert np.isfinite(answers.losses).all()
    assert len(joined([answers, answers])) == 10


def logged(folder: Path, loss: str, scores: list[object], labels: list[object], *, calls: int = 1) -> Answers | None:
    log = Log(folder)
    given = {f"{loss}_input_{2 * call}": np.array(scores, np.float32) for call in range(calls)}
    given |= {f"{loss}_input_{2 * call + 1}": np.array(labels, np.float32) for call in range(calls)}
    log.add(given)
    return at(log.read())


def test_quantities_are_no_classes(tmp_path: Path) -> None:
    assert logged(tmp_path / "a", "SmoothL1Loss", [0.2, 0.9], [0.0, 1.0]) is None
    assert logged(tmp_path / "b", "OwnLoss", [0.2, 0.9], [0.3, 7.0]) is None


def test_several_answers_for_an_image_are_no_class(tmp_path: Path) -> None:
    scores = [[1, -1, 2], [0, 3, 1]]
    assert logged(tmp_path / "a", "BCEWithLogitsLoss", scores, [[1, 0, 1], [0, 0, 0]]) is None
    assert logged(tmp_path / "b", "BCEWithLogitsLoss", scores, [[1, 0, 0], [0, 1, 0]]) is not None


def test_real_against_forged_is_no_class(tmp_path: Path) -> None:
    scores, ones = [[0.3], [0.1]], [[1.0], [1.0]]
    assert logged(tmp_path / "a", "BCEWithLogitsLoss", scores, ones, calls=2) is None
    assert logged(tmp_path / "b", "BCEWithLogitsLoss", scores, ones) is not None


def test_probabilities_of_one_class_are_answers_of_both(tmp_path: Path) -> None:
    log = Log(tmp_path)
    log.add({"BCELoss_input_0": np.array([[0.1], [0.9], [0.4]]), "BCELoss_input_1": np.array([[0.0], [1.0], [1.0]])})
    found = Answers.at(StepView.at(log.read(), 0))
    assert found is not None
    assert found.predicted.tolist() == [0, 1, 0]
