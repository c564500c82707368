from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.rules.logs import LOSS, Log
from tintype.rules.rule import Profile
from tintype.rules.status import RuleStatus

RULE = "ExplodingTensor"
GRADIENT, WEIGHT = "gradient/Net_fc.weight", "Net_fc.weight"


def holding(value: float) -> np.ndarray:
    array = np.ones((2, 3), np.float32)
    array[1, 1] = value
    return array


@pytest.mark.parametrize("reduced", [(), ("min", "max"), ("abs_mean",)])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_fires_once_for_each_tensor(tmp_path: Path, value: float, reduced: tuple[str, ...]) -> None:
    log = Log(tmp_path)
    for _ in range(3):
        log.add({WEIGHT: holding(value), LOSS: 1.0}, reduced=reduced)
    run = log.judge(RULE)
    assert (run.state.findings, run.findings[0].tensor) == (1, WEIGHT)


def test_the_nearest_to_the_origin_comes_first(tmp_path: Path) -> None:
    log = Log(tmp_path)
    log.add({LOSS: np.nan, WEIGHT: holding(np.nan), "Net_input_0": holding(np.nan)})
    run = log.judge(RULE)
    assert [finding.tensor for finding in run.findings] == ["Net_input_0", WEIGHT, LOSS]
    assert "came in with the data" in run.findings[0].cause


def test_only_nan(tmp_path: Path) -> None:
    log = Log(tmp_path)
    log.add({WEIGHT: holding(np.inf)})
    assert log.judge(RULE, only_nan="true").state.status is RuleStatus.NO_ISSUES_FOUND


@pytest.mark.parametrize(("steps", "fires"), [(2, False), (3, True)])
def test_the_scaler_of_half_precision_may_skip_steps(tmp_path: Path, steps: int, fires: bool) -> None:
    log = Log(tmp_path)
    for step in range(5):
        log.add({GRADIENT: holding(np.inf if step < steps else 1.0)})
    assert (log.judge(RULE).state.status is RuleStatus.ISSUES_FOUND) is fires


def test_labels_and_text_cannot_explode(tmp_path: Path) -> None:
    log = Log(tmp_path)
    log.add({"labels": np.arange(4), "names": np.array(["a", "b"]), "empty": np.zeros((0, 2), np.float32)})
    run = log.judge(RULE)
    assert run.state.status is RuleStatus.NO_ISSUES_FOUND
    assert run.state.evaluated


def test_an_empty_log(tmp_path: Path) -> None:
    assert not Log(tmp_path).judge(RULE).state.evaluated


def test_sagemaker_must_be_told_what_to_look_at(tmp_path: Path) -> None:
    log = Log(tmp_path)
    log.add({GRADIENT: holding(np.nan), WEIGHT: holding(1)})
    run = log.judge(RULE, Profile.SAGEMAKER, collection_names="gradients,weights")
    assert run.state.first_step == 0
    assert not Log(tmp_path / "none").judge(RULE, Profile.SAGEMAKER).state.evaluated
