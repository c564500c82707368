from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tintype.errors import Conflict
from tintype.tuning.trial import NEXT, Trial, TrialStatus, trial_name

TRIAL = Trial(1, "t-001-0123abcd", {"epochs": 3, "lr": 0.1}, ("lr",), started_at=5.0)


def test_the_statuses_are_sagemakers_words() -> None:
    assert {status.value for status in TrialStatus} == {"InProgress", "Stopping", "Completed", "Failed", "Stopped"}
    assert {status for status in TrialStatus if status.is_finished} == {
        TrialStatus.COMPLETED, TrialStatus.FAILED, TrialStatus.STOPPED,
    }  # fmt: skip


def moved(trial: Trial, status: TrialStatus) -> Trial:
    return trial.stopping("why") if status is TrialStatus.STOPPING else trial.ended(status, 9.0)


LATER = [status for status in TrialStatus if status is not TrialStatus.IN_PROGRESS]


@given(st.lists(st.sampled_from(LATER), max_size=6))
def test_only_the_moves_of_the_table_are_possible(moves: list[TrialStatus]) -> None:
    trial = TRIAL
    for status in moves:
        if status in NEXT[trial.status]:
            trial = moved(trial, status)
        else:
            with pytest.raises(Conflict, match=f"is {trial.status.value}; it cannot become {status.value}"):
                moved(trial, status)


def test_reports_add_up() -> None:
    trial = TRIAL.reported({"a": 1.0}, [(1, 0.5)]).reported({"b": 2.0, "a": 3.0}, [(2, 0.6), (3, 0.7)])
    assert trial.history == ((1, 0.5), (2, 0.6), (3, 0.7))
    assert trial.metrics == {"a": 3.0, "b": 2.0}
    assert trial.value is None


def test_a_trial_begins_again_as_new_but_for_its_name_and_number() -> None:
    again = TRIAL.reported({"a": 1.0}, [(1, 0.5)]).stopping("slow").begun_again(8.0)
    assert again == replace(TRIAL, attempt=2, started_at=8.0)
    left = replace(TRIAL.ended(TrialStatus.STOPPED, 9.0), interrupted=True)
    assert left.begun_again(10.0).attempt == 2


@pytest.mark.parametrize("status", [TrialStatus.COMPLETED, TrialStatus.FAILED, TrialStatus.STOPPED])
def test_a_trial_that_ended_never_begins_again(status: TrialStatus) -> None:
    with pytest.raises(Conflict, match="must not run again"):
        TRIAL.ended(status, 9.0).begun_again(10.0)


@given(
    st.dictionaries(st.text(), st.floats()),
    st.lists(st.tuples(st.integers(0, 99), st.floats())),
    st.text(),
)
def test_json(metrics: dict[str, float], points: list[tuple[int, float]], reason: str) -> None:
    trial = TRIAL.reported(metrics, points).ended(TrialStatus.FAILED, 9.0, reason=reason)
    text = json.dumps(trial.to_json(), allow_nan=False)     # NaN is not JSON
    back = Trial.from_json(json.loads(text))
    assert repr(back) == repr(trial)                        # NaN differs from itself, its text does not


def test_names() -> None:
    name = trial_name("my-tuning", 7, {"lr": 0.1})
    assert re.fullmatch(r"my-tuning-007-[0-9a-f]{8}", name)
    assert trial_name("my-tuning", 7, {"lr": 0.1}) == name
    assert trial_name("my-tuning", 7, {"lr": 0.2}) != name
    assert trial_name("t", 1234, {}).startswith("t-1234-")


