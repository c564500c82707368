"""BatchNormDrift, EvalModeTraining, GradientNotCleared and GradientNoise."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.rules.classifiers import LABELS, LOGITS
from tests.rules.logs import LOSS, Log
from tintype.debugger.modes import Mode
from tintype.debugger.naming import LEFT_GRADIENTS
from tintype.rules.batch_norm_drift import BATCH_NORM, drift

NORM, BUFFER = "features.1_output_0", "Net_features.1.running_mean"
REDUCED = ("mean", "std")
RNG = np.random.default_rng(0)


def normed(folder: Path, shift: float, scale: float, *, learns: bool = False, start: float = 0.0) -> Log:
    """Passes of training and evaluation whose outputs differ by `shift` and `scale`."""
    members = replace(BATCH_NORM, tensor_names=frozenset({NORM, BUFFER}))
    log = Log(folder, [members])
    gathered = np.full(8, start, np.float32)
    for _ in range(4):
        for _ in range(20):
            gathered = gathered + 0.01
            log.add({NORM: RNG.normal(0, 1, (64, 8)), BUFFER: gathered}, reduced=REDUCED)
        for _ in range(3):
            gathered = gathered + (0.01 if learns else 0.0)
            log.add({NORM: shift + scale * RNG.normal(0, 1, (64, 8)), BUFFER: gathered}, Mode.EVAL, reduced=REDUCED)
    return log


@pytest.mark.parametrize(("shift", "scale", "fires"), [
    (0, 1, False), (0.5, 1.2, False), (2, 1, True), (0, 3, True), (0, 0.3, True), (0, 0, False),
])  # fmt: skip
def test_outputs_that_differ_between_the_modes(tmp_path: Path, shift: float, scale: float, fires: bool) -> None:
    run = normed(tmp_path, shift, scale).judge("BatchNormDrift")
    assert bool(run.findings) is fires
    assert run.state.evaluated


@pytest.mark.parametrize(("shifts", "at"), [
    ((7, 7, 4, 2, 0), None), ((2, 2, 0, 0), None), ((0, 0, 0, 2), None),           # it settles, or it is one odd pass
    ((2, 2, 2, 0), 2), ((0, 2, 2), 2), ((2, 2), 1),                             # three in a row, or the last two
])  # fmt: skip
def test_a_drift_that_settles_is_none(tmp_path: Path, shifts: tuple[float, ...], at: int | None) -> None:
    log = Log(tmp_path, [replace(BATCH_NORM, tensor_names=frozenset({NORM}))])
    last = []
    for shift in shifts:
        for _ in range(35):
            log.add({NORM: RNG.normal(0, 1, (64, 8))}, reduced=REDUCED)
        for _ in range(3):
            log.add({NORM: shift + RNG.normal(0, 1, (64, 8))}, Mode.EVAL, reduced=REDUCED)
        last.append(log.step)
    found = log.judge("BatchNormDrift").findings
    assert [one.step for one in found] == ([] if at is None else [last[at]])


def test_figures_that_are_gathered_in_evaluation(tmp_path: Path) -> None:
    run = normed(tmp_path, 0, 1, learns=True).judge("BatchNormDrift")
    assert [one.tensor for one in run.findings] == [BUFFER]
    assert "validated in training mode" in run.findings[0].message


@pytest.mark.parametrize("lost", [np.nan, np.inf])
def test_figures_that_overflowed_are_not_gathered(tmp_path: Path, lost: float) -> None:
    run = normed(tmp_path, 0, 1, start=lost).judge("BatchNormDrift")
    assert run.state.evaluated
    assert not run.findings


def test_a_network_without_batch_norms_is_not_judged(tmp_path: Path) -> None:
    log = Log(tmp_path)
    log.losses([1.0] * 50)
    assert not log.judge("BatchNormDrift").state.evaluated


def test_drift() -> None:
    assert drift([(0, 1)], [(0.5, 1)]) == 0.5
    assert drift([(0, 1), (0, 3)], [(0, 4)]) == 1.0
    assert drift([(0, 1)], [(float("nan"), 1)]) == 0.0


def test_gradients_in_evaluation_mode(tmp_path: Path) -> None:
    log = Log(tmp_path)
    for _ in range(5):
        log.add({LOSS: 1.0, "gradient/Net_fc.weight": np.ones(4)}, Mode.EVAL)
    assert len(log.judge("EvalModeTraining").findings) == 1


def test_evaluation_without_gradients_is_none(tmp_path: Path) -> None:
    log = Log(tmp_path)
    for _ in range(5):
        log.add({LOSS: 1.0, "gradient/Net_fc.weight": np.ones(4)})
        log.add({LOSS: 1.0, "Net_fc.weight": np.ones(4)}, Mode.EVAL)
    run = log.judge("EvalModeTraining")
    assert not run.findings
    assert run.state.evaluated


def gradients(folder: Path, noise: float, *, summed: bool = False, steps: int = 80, falls: bool = False) -> Log:
    """A direction that is the same for all batches, and noise; `summed` over the steps when nobody clears them."""
    log, direction = Log(folder), {f"gradient/Net_{n}.weight": RNG.normal(0.2, 1, 50) for n in range(12)}
    held = {name: np.zeros(50) for name in direction}
    for step in range(steps):
        for name, one in direction.items():
            held[name] = (held[name] if summed else 0) + one + noise * RNG.normal(0, 1, 50)
        log.add({LOSS: 2.3 * 0.97**step if falls else 2.3, LOGITS: np.zeros((2, 4)), LABELS: np.array([0, 1]), **held})
    return log


def test_gradients_that_add_up(tmp_path: Path) -> None:
    run = gradients(tmp_path / "summed", 0.5, summed=True, steps=12).judge("GradientNotCleared")
    assert len(run.findings) == 1
    assert run.findings[0].measured > 6
    assert not gradients(tmp_path / "cleared", 0.5, steps=12).judge("GradientNotCleared").findings


@pytest.mark.parametrize(("left", "fires"), [((1, 2, 3, 4, 5), True), ((1, 2, 4, 5, 6), False)])
def test_gradients_that_were_seen_to_be_left(tmp_path: Path, left: tuple[int, ...], fires: bool) -> None:
    log = Log(tmp_path)
    for step in range(8):
        seen = {LEFT_GRADIENTS: 0.5} if step in left else {}
        log.add({"gradient/Net_fc.weight": RNG.normal(0, 1, 8), **seen})
    assert bool(log.judge("GradientNotCleared").findings) is fires


def test_a_divergence_is_not_an_addition(tmp_path: Path) -> None:
    log = Log(tmp_path)
    for step in range(12):
        log.add({"gradient/Net_fc.weight": 3.0**step * np.ones(8)}, reduced=("mean", "l2_norm"))
    assert not log.judge("GradientNotCleared").findings


@pytest.mark.parametrize(("noise", "falls", "fires"), [(40, False, True), (0.1, False, False), (40, True, False)])
def test_gradients_that_are_mostly_chance(tmp_path: Path, noise: float, falls: bool, fires: bool) -> None:
    run = gradients(tmp_path, noise, falls=falls).judge("GradientNoise")
    assert bool(run.findings) is fires
    assert run.state.evaluated
    assert all("batch of 2" in one.cause for one in run.findings)


@pytest.mark.parametrize(("batch", "gathers", "fires"), [(2, True, True), (16, True, False), (2, False, False)])
def test_batches_too_small_for_figures(tmp_path: Path, batch: int, gathers: bool, fires: bool) -> None:
    log = Log(tmp_path, [replace(BATCH_NORM, tensor_names=frozenset({NORM, BUFFER}))])
    for step in range(30):
        gathered = np.full(8, step if gathers else 0.0)
        scores = {LOGITS: RNG.normal(0, 1, (batch, 4)), LABELS: np.arange(batch) % 4}
        log.add({NORM: RNG.normal(0, 1, (batch, 8)), BUFFER: gathered, **scores})
    run = log.judge("BatchNormDrift")
    assert bool(run.findings) is fires
