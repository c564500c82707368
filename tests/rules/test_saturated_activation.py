from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.rules.logs import Log
from tintype.debugger.collection import Collection
from tintype.rules.rule import Profile
from tintype.rules.status import RuleStatus

TANH = Collection("tanh_input", ("(?i).*tanh_input",), frozenset({"2_input_0"}))


def inputs(deviation: float, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, deviation, (64, 32)).astype(np.float32)


@pytest.mark.parametrize("reduced", [(), ("quantiles",)])
@pytest.mark.parametrize(("deviation", "fires"), [(40.0, True), (3.0, False), (1.0, False)])
def test_tanh(tmp_path: Path, deviation: float, fires: bool, reduced: tuple[str, ...]) -> None:
    log = Log(tmp_path, [TANH])
    for step in range(4):
        log.add({"2_input_0": inputs(deviation, step)}, reduced=reduced)
    run = log.judge("SaturatedActivation")
    assert (run.state.status is RuleStatus.ISSUES_FOUND) is fires
    assert run.state.evaluated


def test_sigmoid_has_limits_of_its_own(tmp_path: Path) -> None:
    log = Log(tmp_path)
    for step in range(4):
        log.add({"gate.sigmoid_input_0": inputs(0.1, step) - 20})
    assert log.judge("SaturatedActivation").state.status is RuleStatus.NO_ISSUES_FOUND


def test_an_answer_that_became_certain_is_no_fault(tmp_path: Path) -> None:
    log = Log(tmp_path, [TANH])
    for step in range(10):
        log.add({"2_input_0": inputs(1.0, step)})
    log.skip(100)
    for step in range(10):
        log.add({"2_input_0": inputs(40.0, step)})
    assert log.judge("SaturatedActivation").state.status is RuleStatus.NO_ISSUES_FOUND


def test_nothing_to_judge(tmp_path: Path) -> None:
    log = Log(tmp_path)
    log.losses([1.0])
    assert not log.judge("SaturatedActivation").state.evaluated


def test_sagemakers_profile_wants_nodes_that_are_never_inside(tmp_path: Path) -> None:
    log = Log(tmp_path)
    log.add({"tanh_input_0": inputs(40.0)})
    log.add({"tanh_input_0": inputs(1.0) + 30})
    run = log.judge("SaturatedActivation", Profile.SAGEMAKER)
    assert run.state.first_step == 1
