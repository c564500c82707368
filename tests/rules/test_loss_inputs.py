"""LossInputs and UnshuffledBatches: what the loss is given."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.rules.classifiers import LABELS, answers, train
from tests.rules.logs import Log
from tintype.rules.loss_inputs import Mistake, mistaken

RNG = np.random.default_rng(0)
LOGITS = RNG.normal(0, 2, (16, 10)).astype(np.float32)
MAPS = RNG.dirichlet(np.ones(10), (2, 2, 4)).transpose(0, 3, 1, 2)
PROBABILITIES = np.exp(LOGITS) / np.exp(LOGITS).sum(axis=1, keepdims=True)


@pytest.mark.parametrize(("name", "value", "mistake"), [
    ("CrossEntropyLoss_input_0", LOGITS, None),
    ("CrossEntropyLoss_input_0", np.log(PROBABILITIES), None),
    ("CrossEntropyLoss_input_0", PROBABILITIES, Mistake.PROBABILITIES),
    ("NLLLoss_input_0", PROBABILITIES, Mistake.NOT_LOGARITHMS),
    ("NLLLoss_input_0", np.log(PROBABILITIES), None),
    ("NLLLoss_input_0", np.log(PROBABILITIES + 1e-3).astype(np.float16), None),
    ("NLLLoss_input_0", np.log(MAPS), None),
    ("NLLLoss_input_0", LOGITS, Mistake.NOT_NORMALISED),
    ("NLLLoss_input_0", np.maximum(LOGITS, 0), Mistake.NOT_NORMALISED),
    ("NLLLoss_input_0", LOGITS - np.log(np.exp(LOGITS).sum(axis=0)), Mistake.NOT_NORMALISED),
    ("BCEWithLogitsLoss_input_0", PROBABILITIES[:, :1], Mistake.SIGMOID),
    ("BCEWithLogitsLoss_input_0", LOGITS[:, :1], None),
    ("CrossEntropyLoss_input_0", np.maximum(LOGITS, 0), Mistake.RECTIFIED),
    ("CrossEntropyLoss_input_0", np.zeros((4, 3)), Mistake.RECTIFIED),
    ("CrossEntropyLoss_input_0", np.full((4, 3), np.nan), None),
])  # fmt: skip
def test_each_mistake(name: str, value: np.ndarray, mistake: Mistake | None) -> None:
    assert mistaken(name, value) is mistake


def test_only_what_lasts_is_reported_and_once(tmp_path: Path) -> None:
    for given, findings in ((8, 0), (30, 1)):
        log = Log(tmp_path / str(given))
        for _ in range(given):
            train(log, PROBABILITIES, np.arange(16) % 10)
        train(log, LOGITS, np.arange(16) % 10)
        run = log.judge("LossInputs")
        assert len(run.findings) == findings
        assert run.state.evaluated
    assert "softmax" in run.findings[0].cause


def test_without_inputs_of_a_loss_nothing_is_judged(tmp_path: Path) -> None:
    log = Log(tmp_path)
    log.losses([1.0] * 30)
    assert not log.judge("LossInputs").state.evaluated


def epoch(log: Log, labels: np.ndarray) -> None:
    for batch in np.array_split(labels, len(labels) // 16):
        train(log, answers(batch, 10, RNG), batch)


def test_images_in_the_order_of_their_folders(tmp_path: Path) -> None:
    log = Log(tmp_path)
    epoch(log, np.sort(np.arange(800) % 10))
    run = log.judge("UnshuffledBatches")
    assert len(run.findings) == 1
    assert run.findings[0].tensor == LABELS
    assert run.findings[0].measured > 0.3


@pytest.mark.parametrize("shares", [np.full(10, 0.1), np.array([0.91] + [0.01] * 9)])
def test_images_in_any_other_order(tmp_path: Path, shares: np.ndarray) -> None:
    log = Log(tmp_path)
    epoch(log, RNG.choice(10, 800, p=shares))
    run = log.judge("UnshuffledBatches")
    assert not run.findings
    assert run.state.evaluated
