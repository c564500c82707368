from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.rules.logs import Log
from tintype.rules.rule import Profile
from tintype.rules.status import RuleStatus

RULE = "UnchangedTensor"
LAYERS = ("Net_body.weight", "Net_main.weight", "Net_auxiliary.weight")     # in the order of the network


def training(
    folder: Path,
    *,
    learning: set[str],
    pushed: set[str],
    reduced: tuple[str, ...] = (),
    steps: int = 60,
    push: float = 1.0,
    shapes: dict[str, tuple[int, ...]] | None = None,
) -> Log:
    """A training in which only `learning` weights change, and only `pushed` ones have gradients."""
    log, rng = Log(folder), np.random.default_rng(0)
    weights = {name: rng.normal(size=(shapes or {}).get(name, (4, 4))).astype(np.float32) for name in LAYERS}
    for _ in range(steps):
        gradients = {f"gradient/{name}": np.full((4, 4), push, np.float32) for name in pushed}
        log.add({**weights, **gradients}, reduced=reduced)
        weights = {name: value + np.float32(0.01) * (name in learning) for name, value in weights.items()}
    return log


@pytest.mark.parametrize("reduced", [(), ("min", "max", "mean", "std", "abs_mean")])
def test_an_optimiser_without_some_parameters(tmp_path: Path, reduced: tuple[str, ...]) -> None:
    run = training(tmp_path, learning={LAYERS[2]}, pushed=set(LAYERS), reduced=reduced).judge(RULE)
    assert set(run.by_tensor) == set(LAYERS[:2])
    assert "the optimiser was not given" in run.findings[0].cause


def test_gradients_that_are_too_small_to_change_anything(tmp_path: Path) -> None:
    run = training(tmp_path, learning={LAYERS[2]}, pushed=set(LAYERS), push=1e-9).judge(RULE)
    assert "they have vanished" in run.findings[0].cause


def test_the_loss_on_the_wrong_output(tmp_path: Path) -> None:
    learning = {LAYERS[0], LAYERS[2]}
    run = training(tmp_path, learning=learning, pushed=learning).judge(RULE)
    assert set(run.by_tensor) == {LAYERS[1]}
    assert "another output" in run.findings[0].cause


@pytest.mark.parametrize("learning", [set(LAYERS), {LAYERS[1], LAYERS[2]}, {LAYERS[2]}])
def test_what_is_frozen_on_purpose_is_no_fault(tmp_path: Path, learning: set[str]) -> None:
    run = training(tmp_path, learning=learning, pushed=learning).judge(RULE)
    assert run.state.status is RuleStatus.NO_ISSUES_FOUND
    assert run.state.evaluated


@pytest.mark.parametrize(("shape", "fires"), [((4,), False), ((4, 4), True)])
def test_scales_of_normalisations_are_frozen_on_purpose(tmp_path: Path, shape: tuple[int, ...], fires: bool) -> None:
    learning = {LAYERS[0], LAYERS[2]}
    log = training(tmp_path, learning=learning, pushed=learning, shapes={LAYERS[1]: shape})
    assert bool(log.judge(RULE).findings) is fires


def test_a_short_training_is_judged_at_its_end(tmp_path: Path) -> None:
    log = training(tmp_path, learning={LAYERS[2]}, pushed=set(LAYERS), steps=4)
    assert log.judge(RULE).state.status is RuleStatus.ISSUES_FOUND


def test_without_weights_it_says_so(tmp_path: Path) -> None:
    log = Log(tmp_path)
    log.losses([1.0, 1.0])
    assert "weights of 3 steps" in log.judge(RULE).state.details


# What the user names; these were the tests of SageMaker's own rule.


def same_for_three_steps(folder: Path) -> Log:
    log = Log(folder)
    for _ in range(3):
        log.add({"thing": np.ones(4, np.float32)})
    log.skip(2)
    return log


@pytest.mark.parametrize("profile", Profile)
def test_fires_at_the_third_value(tmp_path: Path, profile: Profile) -> None:
    run = same_for_three_steps(tmp_path).judge(RULE, profile, tensor_regex=".*")
    assert run.state.first_step == 2
    assert run.state.findings == 1


def test_a_change_within_the_tolerance_is_none(tmp_path: Path) -> None:
    log = Log(tmp_path)
    for change in (0.0, 1e-7, 0.0, 0.5, 0.5):
        log.add({"thing": np.full(4, 1 + change, np.float32)})
    run = log.judge(RULE, tensor_regex="thing")
    assert (run.state.findings, run.state.first_step) == (1, 2)


@pytest.mark.parametrize(("equal_nan", "count"), [("false", 0), ("true", 1)])
def test_nan(tmp_path: Path, equal_nan: str, count: int) -> None:
    log = Log(tmp_path)
    for _ in range(3):
        log.add({"thing": np.full(4, np.nan, np.float32)})
    assert log.judge(RULE, tensor_regex="thing", equal_nan=equal_nan).state.findings == count


def test_nothing_of_what_was_named(tmp_path: Path) -> None:
    log = Log(tmp_path)
    log.losses([1.0])
    assert not log.judge(RULE, tensor_regex="nothing").state.evaluated
