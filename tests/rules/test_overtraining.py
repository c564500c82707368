from __future__ import annotations

from pathlib import Path

from tests.rules.logs import Log, noisy
from tests.rules.test_overfit import FALLING, epochs
from tintype.debugger.modes import Mode
from tintype.rules.overtraining import since_better
from tintype.rules.rule import Profile
from tintype.rules.run_facts import RunFacts
from tintype.rules.status import RuleStatus


def test_fires_when_validation_stays(tmp_path: Path) -> None:
    run = epochs(tmp_path, [2.0 * 0.9**i for i in range(18)], [2.0, 1.5, 1.2, *[1.2] * 15]).judge("Overtraining")
    assert run.state.status is RuleStatus.ISSUES_FOUND
    assert run.findings[0].measured == 10


def test_fires_when_neither_falls(tmp_path: Path) -> None:
    levels = [1.0, 0.4, *[0.3] * 7]
    log = epochs(tmp_path, levels, levels, noise=0.01)
    run = log.judge("Overtraining", facts=RunFacts({"epochs": "9"}))
    assert run.findings[0].measured == 6
    remedy = run.findings[0].remedy
    assert remedy is not None
    assert remedy.hyperparameters == {"epochs": "3"}


def test_few_passes_are_never_too_many(tmp_path: Path) -> None:
    levels = [1.0, 0.4, *[0.3] * 6]
    run = epochs(tmp_path, levels, levels, noise=0.01).judge("Overtraining")
    assert not run.findings
    assert run.state.evaluated


def test_a_training_that_still_learns_passes(tmp_path: Path) -> None:
    run = epochs(tmp_path, FALLING, FALLING).judge("Overtraining")
    assert run.state.status is RuleStatus.NO_ISSUES_FOUND
    assert run.state.evaluated


def test_batches_of_one_pass_are_not_passes(tmp_path: Path) -> None:
    run = epochs(tmp_path, FALLING[:4], FALLING[:4], batches=40).judge("Overtraining")
    assert run.state.status is RuleStatus.NO_ISSUES_FOUND
    assert not run.state.evaluated
    assert "6 passes of evaluation are needed; 4 passes" in run.state.details


def test_sagemakers_profile_counts_steps(tmp_path: Path) -> None:
    log = Log(tmp_path)
    log.losses([1.0])
    log.losses(noisy([0.5] * 15, 0.001), Mode.EVAL)
    run = log.judge("Overtraining", Profile.SAGEMAKER)
    assert run.state.first_step == 11


def test_since_better() -> None:
    assert since_better([1.0], 0.01) == 0
    assert since_better([1.0, 0.995, 0.992, 0.5], 0.01) == 0
    assert since_better([1.0, 0.5, 0.6, 0.495], 0.01) == 2
