from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.rules.logs import Log
from tintype.debugger.collection import Collection
from tintype.rules.rule import Profile
from tintype.rules.status import RuleStatus

RELU = Collection("relu_output", (".*relu_output",), frozenset({"features.2_output_0"}))


def outputs(dead: int, *, batch: int = 32, channels: int = 8, seed: int = 0) -> np.ndarray:
    """Images of which the first `dead` channels are silent and the others answer to half of the places."""
    values = np.maximum(np.random.default_rng(seed).normal(size=(batch, channels, 4, 4)), 0).astype(np.float32)
    values[:, :dead] = 0
    return values


def test_fires_when_most_channels_are_silent(tmp_path: Path) -> None:
    log = Log(tmp_path, [RELU])
    for step in range(4):
        log.add({"features.2_output_0": outputs(5, seed=step)})         # found by its class, not by its name
    run = log.judge("DeadRelu")
    assert run.state.status is RuleStatus.ISSUES_FOUND
    assert run.findings[0].measured == pytest.approx(100 * 5 / 8)
    assert run.findings[0].step == 2


def test_a_few_dead_channels_and_sparse_layers_pass(tmp_path: Path) -> None:
    log = Log(tmp_path, [RELU])
    for step in range(4):
        sparse = outputs(0, seed=step)
        sparse[np.random.default_rng(step).random(sparse.shape) > 0.1] = 0
        log.add({"features.2_output_0": outputs(3, seed=step), "layer1.relu_output_0": sparse})
    run = log.judge("DeadRelu")
    assert run.state.status is RuleStatus.NO_ISSUES_FOUND
    assert run.state.evaluated


def test_small_batches_do_not_look_dead(tmp_path: Path) -> None:
    log = Log(tmp_path)
    for step in range(6):
        row = np.zeros((2, 100), np.float32)
        row[:, step * 10 : step * 10 + 20] = 1
        log.add({"relu_output_0": row})
    assert log.judge("DeadRelu").state.status is RuleStatus.NO_ISSUES_FOUND


def test_a_layer_of_nothing_but_zeros_is_seen_by_its_share_of_zeros(tmp_path: Path) -> None:
    log = Log(tmp_path)
    for _ in range(4):
        log.add({"relu_output_0": np.zeros((8, 4), np.float32)}, reduced=("zeros",))
    assert log.judge("DeadRelu").findings[0].measured == 100


def test_gradients_of_biases_tell_of_units_that_no_hook_sees(tmp_path: Path) -> None:
    log = Log(tmp_path)
    for _ in range(4):
        dead, alive = np.ones(10, np.float32), np.ones(10, np.float32)
        dead[:8] = 0
        log.add({"gradient/Net_conv1.bias": dead, "gradient/Net_fc.bias": alive}, reduced=("zeros",))
    run = log.judge("DeadRelu")
    assert set(run.by_tensor) == {"gradient/Net_conv1.bias"}
    assert "the units that Net_conv1.bias feeds" in run.findings[0].message


def test_a_step_without_any_gradient_says_nothing_of_units(tmp_path: Path) -> None:
    log = Log(tmp_path)
    for _ in range(5):
        log.add({"gradient/Net_conv1.bias": np.zeros(4, np.float32), "gradient/Net_fc.bias": np.zeros(4, np.float32)})
    assert log.judge("DeadRelu").state.status is RuleStatus.NO_ISSUES_FOUND


def test_without_evidence_it_says_so(tmp_path: Path) -> None:
    log = Log(tmp_path)
    log.losses([1.0])
    run = log.judge("DeadRelu")
    assert not run.state.evaluated
    assert "relu_output" in run.state.details


def test_sagemakers_profile_takes_each_place_for_a_neuron_and_one_step(tmp_path: Path) -> None:
    log = Log(tmp_path)
    log.add({"relu_output_0": np.concatenate([np.zeros((2, 6)), np.ones((2, 4))], axis=1).astype(np.float32)})
    run = log.judge("DeadRelu", Profile.SAGEMAKER)
    assert run.state.first_step == 0
    assert run.findings[0].measured == pytest.approx(60)
