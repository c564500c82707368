from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.rules.logs import LOSS, Log
from tintype.rules.rule import Profile
from tintype.rules.status import RuleStatus

RULE = "PoorWeightInitialization"
REDUCED = ("std", "min", "max")


def drawn(*shape: int, scale: float = 0.577) -> np.ndarray:
    """Weights of a scale: deviation times the square root of the inputs of a unit."""
    fan_in = float(np.prod(shape[1:]))
    return np.random.default_rng(0).normal(0, scale / np.sqrt(fan_in), shape).astype(np.float32)


@pytest.mark.parametrize("reduced", [(), REDUCED])
@pytest.mark.parametrize(
    ("weights", "said"),
    [
        (drawn(16, 3, 3, 3, scale=20.0), "too large"),
        (drawn(16, 64, scale=1e-4), "too small"),
        (np.full((16, 64), 0.05, np.float32), "copies of each other"),
        (np.zeros((16, 64), np.float32), "all zero"),
    ],
)
def test_fires(tmp_path: Path, weights: np.ndarray, said: str, reduced: tuple[str, ...]) -> None:
    log = Log(tmp_path)
    for _ in range(3):
        log.add({"Net_conv1.weight": weights, "Net_fc.weight": drawn(10, 64)}, reduced=reduced)
    run = log.judge(RULE)
    assert run.state.findings == 1
    assert run.findings[0].tensor == "Net_conv1.weight"
    assert said in run.findings[0].message


def test_a_parametrization_and_what_passes_through_it_are_no_weights(tmp_path: Path) -> None:
    log = Log(tmp_path)
    triangle = 20 * np.tril(np.ones((64, 64), np.float32))
    inside = {"fc.parametrizations.weight.0_input_0": triangle, "Net_fc.parametrizations.weight.original": triangle}
    for _ in range(3):
        log.add({"Net_conv.weight": drawn(64, 64), **inside}, reduced=REDUCED)
    run = log.judge(RULE)
    assert run.state.evaluated
    assert not run.findings


@pytest.mark.parametrize("profile", Profile)
def test_a_pretrained_backbone(tmp_path: Path, profile: Profile) -> None:
    """Variances that differ by more than ten, as in every network, are a fault to SageMaker alone."""
    log = Log(tmp_path)
    weights = {"Net_conv1.weight": drawn(64, 3, 7, 7, scale=1.5), "Net_layer4.weight": drawn(512, 512, 3, 3)}
    for loss in (4.9, 4.7, 4.8, 4.5):
        log.add({**weights, "Net_bn.weight": np.ones(64, np.float32), LOSS: loss})
    found = log.judge(RULE, profile).state
    assert (found.status is RuleStatus.ISSUES_FOUND) is (profile is Profile.SAGEMAKER)
    assert found.first_step in (None, 0)


def test_a_head_that_begins_at_zero_and_moves_is_none(tmp_path: Path) -> None:
    log = Log(tmp_path)
    log.add({"Net_head.weight": np.zeros((4, 8), np.float32), "Net_embedding.weight": drawn(9, 8, scale=30.0)})
    log.add({"Net_head.weight": drawn(4, 8, scale=0.005)})
    run = log.judge(RULE)
    assert run.state.status is RuleStatus.NO_ISSUES_FOUND
    assert run.state.evaluated


def test_what_training_made_of_the_weights_is_not_judged(tmp_path: Path) -> None:
    log = Log(tmp_path)
    log.skip(50)
    log.add({"Net_conv1.weight": drawn(16, 64, scale=50.0)})
    run = log.judge(RULE)
    assert not run.state.evaluated
    assert "one of the first 10 steps" in run.state.details


def test_sagemaker_takes_five_losses_of_noise_for_a_verdict(tmp_path: Path) -> None:
    log = Log(tmp_path)
    log.losses([2.3, 2.35, 2.31, 2.4, 2.36, 2.33])
    run = log.judge(RULE, Profile.SAGEMAKER)
    assert run.state.first_step == 5
    assert "has not fallen for 5 steps" in run.findings[0].message


def test_sagemaker_wants_gradients_to_spread(tmp_path: Path) -> None:
    log = Log(tmp_path)
    log.add({"gradient/Net_conv1.weight": drawn(64, 64, scale=1e-4)}, reduced=("quantiles",))
    assert log.judge(RULE, Profile.SAGEMAKER).findings[0].tensor == "gradient/Net_conv1.weight"


def test_weights_of_one_sign_add_up(tmp_path: Path) -> None:
    log = Log(tmp_path)
    log.add({"Net_fc1.weight": np.random.default_rng(0).uniform(0, 1, (30, 60)), "Net_fc2.weight": drawn(10, 30)})
    assert "one sign" in log.judge(RULE).findings[0].message


@pytest.mark.parametrize(("scale", "fires"), [(5.8, True), (1.5, False)])
def test_layers_that_are_all_rather_large(tmp_path: Path, scale: float, fires: bool) -> None:
    log = Log(tmp_path)
    log.add({f"Net_fc{n}.weight": drawn(64, 64, scale=scale) for n in range(3)})
    assert bool(log.judge(RULE).findings) is fires


def test_what_training_made_of_them_is_no_initialisation(tmp_path: Path) -> None:
    log = Log(tmp_path)
    for scale in (0.6, 40.0, 40.0):
        log.add({"Net_fc.weight": drawn(64, 64, scale=scale)})
    assert not log.judge(RULE).findings
