from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.rules.logs import Log
from tintype.rules.rule import Profile
from tintype.rules.status import RuleStatus

RULE = "SimilarAcrossRuns"


def run_of(folder: Path, losses: list[float]) -> Log:
    log = Log(folder)
    log.losses(losses)
    return log


def test_fires_at_the_first_difference(tmp_path: Path) -> None:
    other = run_of(tmp_path / "other" / "debug-output", [2.0, 1.5, 1.2])
    other.read()
    run = run_of(tmp_path / "mine" / "debug-output", [2.0, 1.4, 1.1]).judge(RULE, other_trials="other")
    assert (run.state.findings, run.state.first_step) == (1, 1)
    assert run.findings[0].measured == pytest.approx(0.1, rel=1e-3)


@pytest.mark.parametrize(("profile", "same"), [(Profile.RIGHT, True), (Profile.SAGEMAKER, False)])
def test_the_last_bits_do_not_matter(tmp_path: Path, profile: Profile, same: bool) -> None:
    run_of(tmp_path / "other", [2.0, 1.5]).read()
    run = run_of(tmp_path / "mine", [2.0, 1.50001]).judge(RULE, profile, other_trials=str(tmp_path / "other"))
    assert (run.state.status is RuleStatus.NO_ISSUES_FOUND) is same


def test_reductions_are_compared_where_tensors_were_not_saved(tmp_path: Path) -> None:
    logs = [Log(tmp_path / name) for name in ("other", "mine")]
    for factor, log in enumerate(logs):
        log.add({"Net_fc.weight": np.ones((2, 2), np.float32) + factor}, reduced=("mean",))
    logs[0].read()
    run = logs[1].judge(RULE, other_trials=str(tmp_path / "other"), collection_names="weights")
    assert run.state.status is RuleStatus.ISSUES_FOUND


def test_no_common_step(tmp_path: Path) -> None:
    Log(tmp_path / "other").read()
    run = run_of(tmp_path / "mine", [1.0]).judge(RULE, other_trials=str(tmp_path / "other"))
    assert not run.state.evaluated
    assert "same step of both runs" in run.state.details


def test_another_run_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    run = run_of(tmp_path / "mine", [1.0]).judge(RULE, other_trials="nobody")
    assert run.state.status is RuleStatus.ERROR
    assert "no tensor log 'nobody'" in run.state.details


def test_without_another_run(tmp_path: Path) -> None:
    assert run_of(tmp_path, [1.0]).judge(RULE).state.details == "nothing could be judged: other_trials was not given"
