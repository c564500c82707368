from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.rules.logs import Log
from tintype.rules.rule import Profile
from tintype.rules.status import RuleStatus

RULE = "WeightUpdateRatio"
REDUCED = ("abs_mean", "min", "max", "mean", "std")
START = np.random.default_rng(0).normal(size=(8, 8)).astype(np.float32)


def training(
    folder: Path, factor: float, reduced: tuple[str, ...] = (), *, gradient: float = 1.0, steps: int = 5
) -> Log:
    """Weights that grow by `factor` of themselves in every step."""
    log, weights = Log(folder), START.copy()
    push = np.full((8, 8), gradient, np.float32)
    for _ in range(steps):
        log.add({"Net_fc.weight": weights, "gradient/Net_fc.weight": push}, reduced=reduced)
        weights = weights * np.float32(1 + factor)
    return log


@pytest.mark.parametrize("reduced", [(), REDUCED])
def test_too_large(tmp_path: Path, reduced: tuple[str, ...]) -> None:
    run = training(tmp_path, 19.0, reduced).judge(RULE)
    assert run.state.first_step == 1
    assert run.findings[0].measured == pytest.approx(19, rel=1e-3)


@pytest.mark.parametrize("reduced", [(), REDUCED])
def test_too_small(tmp_path: Path, reduced: tuple[str, ...]) -> None:
    run = training(tmp_path, 1e-12, reduced).judge(RULE)
    assert run.state.first_step == 3
    assert "too small" in run.findings[0].message


@pytest.mark.parametrize("reduced", [(), REDUCED])
@pytest.mark.parametrize(("factor", "gradient"), [(1e-3, 1.0), (0.0, 0.0), (1.0, 1.0)])
def test_healthy_or_frozen(tmp_path: Path, factor: float, gradient: float, reduced: tuple[str, ...]) -> None:
    run = training(tmp_path, factor, reduced, gradient=gradient).judge(RULE)
    assert run.state.status is RuleStatus.NO_ISSUES_FOUND
    assert run.state.evaluated


def test_a_layer_that_begins_at_zero_has_no_ratio(tmp_path: Path) -> None:
    log = Log(tmp_path)
    log.add({"Net_fc.weight": np.zeros((4, 4), np.float32)})
    log.add({"Net_fc.weight": START})
    assert log.judge(RULE).state.status is RuleStatus.NO_ISSUES_FOUND


def test_num_steps_chooses_the_weights_compared(tmp_path: Path) -> None:
    log = training(tmp_path, 3.0)                       # 4 times as large each step: 16 times in two
    assert log.judge(RULE).state.findings == 0
    log = training(tmp_path / "two", 3.0)
    assert log.judge(RULE, num_steps="2").state.first_step == 2


def test_one_step_is_not_enough(tmp_path: Path) -> None:
    assert not training(tmp_path, 1.0, steps=1).judge(RULE).state.evaluated


def test_sagemakers_profile_wants_whole_weights_and_counts_zeros(tmp_path: Path) -> None:
    log = Log(tmp_path)
    log.add({"Net_fc.weight": np.zeros((8, 8), np.float32)})
    log.add({"Net_fc.weight": START})
    assert log.judge(RULE, Profile.SAGEMAKER).state.first_step == 1
    reduced = training(tmp_path / "reduced", 19.0, REDUCED)
    assert not reduced.judge(RULE, Profile.SAGEMAKER).state.evaluated
