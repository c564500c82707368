from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.rules.logs import Log
from tintype.errors import InvalidRequest
from tintype.rules.catalogue import make_rule
from tintype.rules.rule import Profile
from tintype.rules.status import RuleStatus


def gradients(first: float, last: float) -> dict[str, np.ndarray]:
    return {
        "gradient/Net_layers.0.weight": np.full((4, 4), first, np.float32),
        "gradient/Net_head.weight": np.full((2, 4), -last, np.float32),
        "gradient/Net_layers.0.bias": np.zeros(4, np.float32),
    }


@pytest.mark.parametrize("reduced", [(), ("abs_mean",)])
def test_fires_for_the_layer_that_gets_nothing(tmp_path: Path, reduced: tuple[str, ...]) -> None:
    log = Log(tmp_path)
    for _ in range(6):
        log.add(gradients(1e-9, 1e-2), reduced=reduced)
    run = log.judge("VanishingGradient")
    assert run.state.status is RuleStatus.ISSUES_FOUND
    assert set(run.by_tensor) == {"gradient/Net_layers.0.weight"}
    first = run.findings[0]
    assert first.step == 3              # three saved steps after step 0
    assert first.measured == pytest.approx(1e-9)
    assert "layers.0.weight" in first.message
    said = "Evaluation of the rule VanishingGradient at step 3 resulted in the condition being met"
    assert run.state.details == f"RuleEvaluationConditionMet: {said}"


def test_a_starved_layer_counts_before_the_threshold(tmp_path: Path) -> None:
    log = Log(tmp_path)
    for _ in range(5):
        log.add(gradients(1e-6, 1.0))
    assert log.judge("VanishingGradient").state.status is RuleStatus.ISSUES_FOUND


@pytest.mark.parametrize(("first", "last"), [(1e-3, 1e-2), (1e-9, 2e-9), (1e-6, 1e-4)])
def test_does_not_fire_for_healthy_or_converged_trainings(tmp_path: Path, first: float, last: float) -> None:
    log = Log(tmp_path)
    for _ in range(6):
        log.add(gradients(first, last))
    run = log.judge("VanishingGradient")
    assert run.state.status is RuleStatus.NO_ISSUES_FOUND
    assert run.state.evaluated
    assert run.state.details == ""


def test_one_batch_without_gradient_is_none(tmp_path: Path) -> None:
    log = Log(tmp_path)
    for step in range(9):
        log.add(gradients(0.0 if step in (0, 4) else 1e-3, 1e-2))
    assert log.judge("VanishingGradient").state.status is RuleStatus.NO_ISSUES_FOUND


def test_no_gradients_is_told_apart(tmp_path: Path) -> None:
    log = Log(tmp_path)
    log.losses([1.0] * 5)
    run = log.judge("VanishingGradient")
    assert run.state.status is RuleStatus.NO_ISSUES_FOUND
    assert not run.state.evaluated
    assert "gradients of 3 steps" in run.state.details


def test_nan_is_no_vanished_gradient(tmp_path: Path) -> None:
    log = Log(tmp_path)
    for _ in range(6):
        log.add(gradients(np.nan, 1e-2))
    assert log.judge("VanishingGradient").state.status is RuleStatus.NO_ISSUES_FOUND


def test_sagemakers_profile_takes_any_gradient_but_not_step_0(tmp_path: Path) -> None:
    log = Log(tmp_path)
    log.add(gradients(1e-9, 2e-9))
    log.add(gradients(1e-9, 2e-9))
    run = log.judge("VanishingGradient", Profile.SAGEMAKER)
    assert run.state.status is RuleStatus.ISSUES_FOUND
    assert run.state.first_step == 1
    assert run.state.findings == 1      # it stops at the first, as theirs does


@pytest.mark.parametrize("value", ["-1", "many", "nan"])
def test_the_threshold_is_checked(value: str) -> None:
    with pytest.raises(InvalidRequest, match="VanishingGradient: threshold must be a number of at least 0"):
        make_rule("vanishing_gradient", {"threshold": value})


def test_a_block_that_begins_at_zero_is_on_its_way(tmp_path: Path) -> None:
    log = Log(tmp_path)
    for size in (0.0, 0.0, 3e-9, 9e-9, 3e-8, 2e-7, 6e-7, 2e-6, 9e-5):
        log.add(gradients(size, 1e-2))
    assert log.judge("VanishingGradient").state.status is RuleStatus.NO_ISSUES_FOUND
