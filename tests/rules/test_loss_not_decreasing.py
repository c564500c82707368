from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.rules.logs import LOSS, Log, noisy
from tintype.debugger.modes import Mode
from tintype.rules.rule import Profile
from tintype.rules.rule_run import RuleRun
from tintype.rules.run_facts import RunFacts
from tintype.rules.status import RuleStatus

RULE = "LossNotDecreasing"


def falling(steps: int, start: float = 2.3, end: float = 0.5) -> list[float]:
    return list(end + (start - end) * np.exp(-np.arange(steps) / (steps / 4)))


def judged(folder: Path, losses: list[float], **parameters: object) -> RuleRun:
    log = Log(folder)
    log.losses(losses)
    return log.judge(RULE, **parameters)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("noise", [0.02, 0.06])
def test_fires_when_nothing_is_learned(tmp_path: Path, noise: float, seed: int) -> None:
    run = judged(tmp_path, noisy([2.3] * 150, noise, seed))
    assert run.state.status is RuleStatus.ISSUES_FOUND
    assert run.findings[0].tensor == LOSS
    assert run.findings[0].threshold >= run.findings[0].measured


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("noise", [0.02, 0.15, 0.4])
@pytest.mark.parametrize("steps", [25, 60, 200, 600])
def test_a_healthy_training_passes(tmp_path: Path, steps: int, noise: float, seed: int) -> None:
    run = judged(tmp_path, noisy(falling(steps), noise, seed))
    assert run.state.status is RuleStatus.NO_ISSUES_FOUND
    assert run.state.evaluated


def test_a_training_that_has_converged_passes(tmp_path: Path) -> None:
    assert judged(tmp_path, noisy([*falling(60), *[0.5] * 200], 0.2)).state.status is RuleStatus.NO_ISSUES_FOUND


def test_fires_when_the_loss_rises(tmp_path: Path) -> None:
    run = judged(tmp_path, noisy([*np.linspace(2.3, 1.0, 50), *np.linspace(1.0, 3.0, 60)], 0.05))
    assert run.findings[0].message.startswith(f"the loss {LOSS} rises")


@pytest.mark.parametrize("course", [np.linspace(2.3, 80, 120), 2.3 * np.exp(np.linspace(0, 8, 120))])
def test_a_loss_that_rises_from_the_start_may_have_the_wrong_sign(tmp_path: Path, course: np.ndarray) -> None:
    run = judged(tmp_path, noisy(list(course), 0.05))
    assert run.findings[0].message.startswith(f"the loss {LOSS} rises from the first step on")
    assert "sign" in run.findings[0].cause


@pytest.mark.parametrize("course", [-np.linspace(2.3, 80, 120), -2.3 * np.exp(np.linspace(0, 8, 120))])
def test_fires_when_the_loss_has_no_lower_bound(tmp_path: Path, course: np.ndarray) -> None:
    run = judged(tmp_path, noisy(list(course), 0.05))
    assert "falls far below zero" in run.findings[0].message
    assert "sign" in run.findings[0].cause
    assert not (run.findings[0].remedy and run.findings[0].remedy.changes)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("end", [-3.0, -60.0, -4000.0])
def test_a_likelihood_of_densities_may_be_below_zero(tmp_path: Path, end: float, seed: int) -> None:
    course = np.asarray(falling(300, 2.3, end)) + np.random.default_rng(seed).normal(0, 0.3, 300)
    assert judged(tmp_path, list(course)).state.status is RuleStatus.NO_ISSUES_FOUND


def test_fires_when_the_loss_stays_at_chance(tmp_path: Path) -> None:
    run = judged(tmp_path, noisy([*np.linspace(2.55, 2.31, 20), *[2.303] * 300], 0.03))
    assert run.state.status is RuleStatus.ISSUES_FOUND


def test_fires_at_once_when_the_loss_is_nan(tmp_path: Path) -> None:
    run = judged(tmp_path, [*falling(30), *[float("nan")] * 10])
    assert run.state.status is RuleStatus.ISSUES_FOUND
    assert "NaN" in run.findings[0].message


def test_too_few_losses_are_told_apart(tmp_path: Path) -> None:
    run = judged(tmp_path, [2.3] * 19)
    assert run.state.status is RuleStatus.NO_ISSUES_FOUND
    assert not run.state.evaluated
    assert run.state.details == "nothing could be judged: 20 losses are needed, and 19 were saved"


def test_passes_of_evaluation_are_compared_when_training_saved_nothing(tmp_path: Path) -> None:
    log = Log(tmp_path)
    for _ in range(25):
        log.skip(10)
        log.losses([0.2, 4.0], Mode.EVAL)       # within a pass the images differ, not the network
    run = log.judge(RULE)
    assert run.state.status is RuleStatus.ISSUES_FOUND
    assert run.findings[0].mode is Mode.EVAL


def test_one_of_several_losses_may_stay_as_it_is(tmp_path: Path) -> None:
    log = Log(tmp_path)
    for main, other in zip(noisy(falling(150), 0.05), noisy([0.3] * 150, 0.05, 1), strict=True):
        log.add({LOSS: main, "L1Loss_output_0": other})
    assert log.judge(RULE).state.status is RuleStatus.NO_ISSUES_FOUND


def test_the_remedy_is_in_the_terms_of_the_job(tmp_path: Path) -> None:
    log = Log(tmp_path)
    log.losses(noisy([2.3] * 150, 0.02))
    run = log.judge(RULE, facts=RunFacts({"learning_rate": "0.001", "batch-size": "32"}))
    remedy = run.findings[0].remedy
    assert remedy is not None
    assert remedy.hyperparameters == {"learning_rate": "0.01"}
    assert "learning rate 0.001, batch size 32" in run.findings[0].cause


# What the tests of SageMaker's own rule pinned, with the profile of that name.

LOSSES = {0: 0.3, 4: 0.33, 8: 0.31, 12: 0.30, 16: 0.28}


def sparse(folder: Path, losses: dict[int, float], **parameters: object) -> RuleRun:
    log = Log(folder)
    for step, loss in losses.items():
        log.skip(step - log.step - 1)
        log.add({LOSS: loss})
    return log.judge(RULE, Profile.SAGEMAKER, **parameters)


def test_sagemaker_fires_when_two_losses_are_equal(tmp_path: Path) -> None:
    assert sparse(tmp_path, LOSSES).state.first_step == 12


def test_sagemaker_compares_with_the_newest_loss_that_is_old_enough(tmp_path: Path) -> None:
    late = {step: loss for step, loss in LOSSES.items() if step in (0, 4, 16)}
    assert sparse(tmp_path, late).state.status is RuleStatus.NO_ISSUES_FOUND     # 0.28 at 16 against 0.33 at 4


def test_sagemaker_waits_num_steps_between_comparisons(tmp_path: Path) -> None:
    falling_then_rising = {0: 1.0, 10: 0.5, 15: 0.9, 20: 0.4}
    assert sparse(tmp_path, falling_then_rising).state.status is RuleStatus.NO_ISSUES_FOUND


def test_a_training_that_is_over_before_the_first_window_is(tmp_path: Path) -> None:
    log = Log(tmp_path)
    log.losses([1.4, 1.2, 0.6, 0.1, 0.02, *[0.001] * 55])
    assert log.judge("LossNotDecreasing").state.status is RuleStatus.NO_ISSUES_FOUND


def test_two_that_play_against_each_other_are_not_judged(tmp_path: Path) -> None:
    log = Log(tmp_path)
    for step in range(120):
        rising = 0.5 + step / 100
        log.add({LOSS: rising, LOSS.replace("_0", "_1"): 0.7} if step % 2 else {LOSS: rising})
    run = log.judge("LossNotDecreasing")
    assert run.state.status is RuleStatus.NO_ISSUES_FOUND
    assert not run.state.evaluated
    assert "against each other" in run.state.details


def test_the_next_training_in_a_log_begins_anew(tmp_path: Path) -> None:
    log = Log(tmp_path)
    course = falling(100)
    log.losses(course)
    log.add({LOSS: 2.0, "samples/training": 1.0})
    log.losses(course)
    assert log.judge("LossNotDecreasing").state.status is RuleStatus.NO_ISSUES_FOUND
    again = Log(tmp_path / "again")
    again.losses(course + [2.0] * 100)
    assert again.judge("LossNotDecreasing").state.status is RuleStatus.ISSUES_FOUND
