from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.rules.logs import LOSS, Log, noisy
from tintype.debugger.modes import Mode
from tintype.rules.rule import Profile
from tintype.rules.status import RuleStatus

Curve = list[float]


def epochs(
    folder: Path, training: Curve, validation: Curve, *, noise: float = 0.1, steps: int = 20, batches: int = 6
) -> Log:
    """A pass of training and one of validation for each pair of levels; the losses of images differ alike in each."""
    log = Log(folder)
    images = np.exp(np.random.default_rng(9).normal(0, 0.3, batches))
    images /= images.mean()
    for epoch, (train, valid) in enumerate(zip(training, validation, strict=True)):
        log.losses(noisy([train] * steps, noise, epoch))
        log.losses(list(valid * images), Mode.EVAL)
    return log


FALLING = list(2.0 * 0.6 ** np.arange(12))
RISING = [2.0, 1.5, 1.2, 1.1, 1.15, 1.25, 1.35, 1.45, 1.55, 1.65, 1.75, 1.85]


@pytest.mark.parametrize("batches", [1, 6])
def test_fires_when_validation_gets_worse(tmp_path: Path, batches: int) -> None:
    run = epochs(tmp_path, FALLING, RISING, batches=batches).judge("Overfit")
    assert run.state.status is RuleStatus.ISSUES_FOUND
    assert run.findings[0].mode is Mode.EVAL
    assert run.findings[0].measured > run.findings[0].threshold


@pytest.mark.parametrize("validation", [FALLING, RISING])
def test_losses_that_are_summed_up_are_judged_as_means(tmp_path: Path, validation: Curve) -> None:
    log, each = Log(tmp_path), np.random.default_rng(9).exponential(1, (6, 64)).astype(np.float32)
    each /= each.mean()
    for epoch, (train, valid) in enumerate(zip(FALLING, validation, strict=True)):
        log.losses(noisy([train] * 20, 0.1, epoch))
        for batch in (valid * each).astype(np.float32):
            log.add({LOSS: batch.sum(), "samples/losses": batch}, Mode.EVAL)
    run = log.judge("Overfit")
    assert run.state.evaluated
    assert bool(run.findings) is (validation is RISING)


def test_fires_when_validation_learns_nothing(tmp_path: Path) -> None:
    run = epochs(tmp_path, FALLING[:6], [2.0, 1.9, 1.85, 1.85, 1.84, 1.84]).judge("Overfit")
    assert run.state.status is RuleStatus.ISSUES_FOUND
    assert "training began at" in run.findings[0].message


def test_fires_when_only_training_learns_on(tmp_path: Path) -> None:
    training = [1.4, 1.3, 1.2, 1.1, 1.0, 0.95, 0.9, 0.85, 0.8, 0.75, 0.7, 0.65]
    validation = [1.4, 1.3, 1.2, 1.1, 1.08, 1.05, 1.07, 1.04, 1.06, 1.03, 1.05, 1.06]
    run = epochs(tmp_path, training, validation, noise=0.03).judge("Overfit")
    assert "and validation nothing" in run.findings[0].message


@pytest.mark.parametrize(
    "validation",
    [
        list(2.2 * 0.7 ** np.arange(12)),                               # higher than training, and falling
        [2.0, 1.5, 1.1, 0.9, 1.4, 0.8, 0.7, 1.2, 0.65, 0.6, 0.9, 0.6],   # restless
        [0.9 * one for one in FALLING],                                 # dropout and augmentation: lower than training
    ],
)
def test_learning_is_not_overfitting(tmp_path: Path, validation: Curve) -> None:
    run = epochs(tmp_path, FALLING, validation).judge("Overfit")
    assert run.state.status is RuleStatus.NO_ISSUES_FOUND
    assert run.state.evaluated


def test_one_pass_is_no_evidence(tmp_path: Path) -> None:
    run = epochs(tmp_path, [1.0], [3.0]).judge("Overfit")
    assert not run.state.evaluated
    assert run.state.details.endswith("20 losses of training and 1 passes were saved")


def test_start_step_and_patience(tmp_path: Path) -> None:
    early = epochs(tmp_path, FALLING, RISING).judge("Overfit")
    late = epochs(tmp_path / "late", FALLING, RISING).judge("Overfit", start_step="250", patience="2")
    assert early.state.first_step is not None
    assert late.state.first_step is not None
    assert late.state.first_step > max(250, early.state.first_step)


def test_sagemakers_profile_takes_the_gap_for_the_fault(tmp_path: Path) -> None:
    log = Log(tmp_path)
    log.add({LOSS: 1.0})
    log.losses([1.05, 1.2], Mode.EVAL)
    run = log.judge("Overfit", Profile.SAGEMAKER)
    assert run.state.first_step == 2
    assert run.findings[0].measured == pytest.approx(0.2, rel=1e-4)
