"""LearningRateTooHigh, LearningRateTooLow, WeightDecayTooStrong, UntrainedLayers: the ways of weights and losses."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.rules.logs import LOSS, Log

REDUCED = ("min", "max", "mean", "std")
Weights = dict[str, np.ndarray]


def fresh(rng: np.random.Generator) -> Weights:
    return {
        "Net_conv.weight": rng.uniform(-0.1, 0.1, (32, 27)).astype(np.float32),
        "Net_norm.weight": np.ones(32, np.float32),
        "Net_fc.weight": rng.uniform(-0.1, 0.1, (10, 128)).astype(np.float32),
    }


def training(folder: Path, move: Callable[[Weights, int], None], loss: Callable[[int], float], steps: int = 80) -> Log:
    """Weights that are moved after each step, and a loss for each."""
    log, weights = Log(folder), fresh(np.random.default_rng(0))
    for step in range(steps):
        log.add({LOSS: loss(step), **weights}, reduced=REDUCED)
        move(weights, step)
    return log


def walk(size: float, *names: str) -> Callable[[Weights, int], None]:
    """Random steps of `size` for all weights but `names`."""
    rng = np.random.default_rng(1)

    def move(weights: Weights, step: int) -> None:
        for name in weights:
            if name not in names:
                weights[name] = weights[name] + rng.normal(0, size, weights[name].shape).astype(np.float32)

    return move


def falling(step: int) -> float:
    return 2.3 * 0.97**step


def flat(step: int) -> float:
    return 2.3 + 0.01 * (step % 3)


def thrown_up(step: int) -> float:
    return 2.3 if step == 0 else 40 / step + 2.4


def test_a_loss_thrown_up_by_long_steps(tmp_path: Path) -> None:
    run = training(tmp_path, walk(0.05), thrown_up).judge("LearningRateTooHigh")
    assert len(run.findings) == 1
    assert "went up to 42.4" in run.findings[0].message
    assert run.findings[0].remedy is not None
    assert run.findings[0].remedy.changes[0].factor == 0.1


@pytest.mark.parametrize(("size", "loss"), [(0.05, falling), (0.0005, thrown_up), (0.002, flat)])
def test_long_steps_or_a_bad_loss_alone_are_no_proof(tmp_path: Path, size: float, loss: Callable[[int], float]) -> None:
    run = training(tmp_path, walk(size), loss).judge("LearningRateTooHigh")
    assert not run.findings
    assert run.state.evaluated


def test_a_loss_that_is_computed_once_in_a_while_is_no_course(tmp_path: Path) -> None:
    log, weights, move = Log(tmp_path), fresh(np.random.default_rng(0)), walk(0.05)
    for step in range(80):
        rare = {f"{LOSS}_of_an_epoch": 0.2} if step == 40 else {}
        log.add({LOSS: falling(step), **rare, **weights}, reduced=REDUCED)
        move(weights, step)
    run = log.judge("LearningRateTooHigh")
    assert run.state.evaluated
    assert not run.findings


def test_nan_that_comes_from_nowhere_is_no_learning_rate(tmp_path: Path) -> None:
    def breaks(weights: Weights, step: int) -> None:
        if step == 20:
            weights["Net_fc.weight"][:] = np.nan

    run = training(tmp_path, breaks, lambda step: 2.0 if step < 20 else float("nan")).judge("LearningRateTooHigh")
    assert not run.findings
    assert not run.trace


def test_weights_that_hardly_move_with_a_loss_that_stays(tmp_path: Path) -> None:
    run = training(tmp_path, walk(1e-6), flat).judge("LearningRateTooLow")
    assert len(run.findings) == 1
    assert 0 < run.findings[0].measured < 0.03


@pytest.mark.parametrize(("size", "loss"), [(1e-6, falling), (1e-3, flat), (0.0, flat)])
def test_a_low_rate_that_works_or_another_fault(tmp_path: Path, size: float, loss: Callable[[int], float]) -> None:
    assert not training(tmp_path, walk(size), loss).judge("LearningRateTooLow").findings


def test_too_few_steps_are_not_judged(tmp_path: Path) -> None:
    run = training(tmp_path, walk(1e-6), flat, steps=19).judge("LearningRateTooLow")
    assert not run.state.evaluated
    assert "20 losses" in run.state.details


@pytest.mark.parametrize(("size", "fires"), [(1e-6, True), (1e-2, False)])
def test_of_a_short_training_less_is_expected(tmp_path: Path, size: float, fires: bool) -> None:
    assert bool(training(tmp_path, walk(size), flat, steps=25).judge("LearningRateTooLow").findings) is fires


def test_a_rate_too_high_shows_in_a_short_training(tmp_path: Path) -> None:
    assert training(tmp_path / "flung", walk(0.1), flat, steps=25).judge("LearningRateTooHigh").findings
    assert not training(tmp_path / "calm", walk(1e-4), flat, steps=25).judge("LearningRateTooHigh").findings


@pytest.mark.parametrize(("tails", "fires"), [(False, True), (True, False)])
def test_normal_weights_that_stay_are_fresh_unless_one_layer_is_not(tmp_path: Path, tails: bool, fires: bool) -> None:
    log, rng = Log(tmp_path), np.random.default_rng(3)
    weights = {f"Net_conv{n}.weight": rng.normal(0, 0.1, (32, 27)).astype(np.float32) for n in range(3)}
    if tails:
        weights["Net_conv1.weight"] = (rng.standard_t(3, (32, 27)) * 0.05).astype(np.float32)
    for step in range(60):
        log.add({LOSS: 1.0, **weights, "Net_fc.weight": rng.normal(0, 0.1, (4, 32)) + step}, reduced=REDUCED)
    assert bool(log.judge("UntrainedLayers").findings) is fires


def test_layers_that_stay_as_they_were_initialised(tmp_path: Path) -> None:
    run = training(tmp_path, walk(1e-3, "Net_conv.weight", "Net_norm.weight"), falling).judge("UntrainedLayers")
    assert len(run.findings) == 1
    assert "2 of 3" in run.findings[0].message


def test_a_pretrained_backbone_may_be_frozen(tmp_path: Path) -> None:
    log, rng = Log(tmp_path), np.random.default_rng(0)
    frozen = {"Net_conv.weight": (rng.standard_t(4, (32, 27)) * 0.05).astype(np.float32),
              "Net_norm.weight": rng.uniform(0.5, 1.5, 32).astype(np.float32)}  # fmt: skip
    for step in range(60):
        log.add({LOSS: falling(step), **frozen, "Net_fc.weight": rng.normal(0, 1, (10, 32))}, reduced=REDUCED)
    assert not log.judge("UntrainedLayers").findings


def test_weights_that_decay_to_nothing(tmp_path: Path) -> None:
    def decay(weights: Weights, step: int) -> None:
        for name in weights:
            weights[name] = weights[name] * np.float32(0.7)

    assert training(tmp_path / "flat", decay, flat).judge("WeightDecayTooStrong").findings
    assert not training(tmp_path / "falling", decay, falling).judge("WeightDecayTooStrong").findings
    assert not training(tmp_path / "walk", walk(1e-3), flat).judge("WeightDecayTooStrong").findings


def slowing(weights: Weights, step: int) -> None:
    rng = np.random.default_rng(step)
    for name in weights:
        weights[name] = weights[name] + rng.normal(0, 0.01 * 0.5**step, weights[name].shape).astype(np.float32)


def settled(step: int) -> float:
    return 1.8 + 0.5 * 0.5**step


@pytest.mark.parametrize(("loss", "fires"), [(settled, True), (falling, False)])
def test_a_rate_that_decays_to_nothing_too_early(tmp_path: Path, loss: Callable[[int], float], fires: bool) -> None:
    run = training(tmp_path, slowing, loss).judge("LearningRateTooLow")
    assert bool(run.findings) is fires
    assert all("decayed to nothing" in one.cause for one in run.findings)


@pytest.mark.parametrize(("factor", "decayed"), [(0.5, True), (0.999, False)])
def test_a_rate_that_is_in_the_log_is_only_said_to_decay_when_it_does(
    tmp_path: Path, factor: float, decayed: bool
) -> None:
    log, weights = Log(tmp_path), fresh(np.random.default_rng(0))
    for step in range(80):
        log.add({LOSS: settled(step), "optimizer/lr/SGD_0": 0.1 * factor**step, **weights}, reduced=REDUCED)
        slowing(weights, step)
    cause = log.judge("LearningRateTooLow").findings[0].cause
    assert ("decayed to nothing" in cause) is decayed
    assert ("is what it was" in cause) is not decayed
