from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.rules.logs import Log
from tintype.rules.rule import Profile
from tintype.rules.status import RuleStatus

ZERO, SOME = np.zeros((3, 3), np.float32), np.eye(3, dtype=np.float32)
REDUCED = [(), ("zeros",), ("min", "max"), ("l2_norm",)]


@pytest.mark.parametrize("reduced", REDUCED)
def test_weights_that_stay_zero(tmp_path: Path, reduced: tuple[str, ...]) -> None:
    log = Log(tmp_path)
    for step in range(4):
        fresh = ZERO if step == 0 else SOME
        weights = {"Net_a.weight": ZERO, "Net_b.weight": SOME, "Net_c.weight": fresh}
        log.add({**weights, "Net_a.bias": ZERO}, reduced=reduced)
    run = log.judge("AllZero")
    assert (run.state.findings, run.findings[0].tensor, run.state.first_step) == (1, "Net_a.weight", 3)


@pytest.mark.parametrize("profile", Profile)
@pytest.mark.parametrize("reduced", REDUCED)
def test_what_the_user_names(tmp_path: Path, profile: Profile, reduced: tuple[str, ...]) -> None:
    log = Log(tmp_path)
    log.add({"thing": ZERO, "other": SOME}, reduced=reduced)
    run = log.judge("AllZero", profile, tensor_regex="thing,other")
    assert set(run.by_tensor) == {"thing"}


def test_a_lower_threshold(tmp_path: Path) -> None:
    log = Log(tmp_path)
    log.add({"other": SOME})
    assert log.judge("AllZero", tensor_regex="other", threshold="66").findings[0].measured == pytest.approx(66.67, 1e-3)


def test_nan_is_not_zero_and_nothing_is_no_data(tmp_path: Path) -> None:
    log = Log(tmp_path)
    log.add({"thing": ZERO * np.nan})
    assert log.judge("AllZero", tensor_regex="thing").state.status is RuleStatus.NO_ISSUES_FOUND
    assert not Log(tmp_path / "empty").judge("AllZero").state.evaluated
