"""States move along one table; names follow SageMaker's rules."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tintype.errors import Conflict, InvalidRequest
from tintype.jobs.job import MESSAGES, NEXT, NEXT_PHASE, REASON_CHARACTERS, Job, Phase, Status
from tintype.jobs.names import JOB_LENGTH, TUNING_LENGTH, checked, stamped, stem_of


@given(st.lists(st.sampled_from(list(Status)), max_size=6))
def test_only_legal_moves_happen(moves: list[Status]) -> None:
    job = Job("a", "/a", {})
    for status in moves:
        if status in NEXT[job.status]:
            job = job.moved(status, at=5.0, reason="r")
            assert job.status is status
            assert (job.ended_at == 5.0) is status.is_finished
        else:
            with pytest.raises(Conflict, match=f"is {job.status}; it cannot become {status}"):
                job.moved(status, at=5.0)
    assert Job.from_json(job.to_json()) == job


def test_finished_is_final() -> None:
    assert {status for status in Status if status.is_finished} == {Status.COMPLETED, Status.FAILED, Status.STOPPED}
    assert Job("a", "/a", {}).moved(Status.FAILED, at=1.0).phase is Phase.FAILED


@given(st.lists(st.sampled_from(list(Phase)), max_size=8))
def test_only_legal_phases_follow(phases: list[Phase]) -> None:
    job = Job("a", "/a")
    for number, phase in enumerate(phases):
        if phase in NEXT_PHASE[job.phase]:
            job = job.entered(phase, at=float(number))
            assert job.transitions[-1].phase is phase
            assert job.transitions[-1].message == MESSAGES[phase]
            assert job.transitions[-1].ended_at == 0
            assert all(one.ended_at for one in job.transitions[:-1] if one.started_at)
        else:
            with pytest.raises(Conflict, match=f"is {job.phase}; it cannot be {phase} next"):
                job.entered(phase, at=float(number))
    assert not job.status.is_finished


def test_an_end_closes_the_history() -> None:
    job = Job("a", "/a").entered(Phase.DOWNLOADING, at=1.0).entered(Phase.TRAINING, at=2.0)
    job = job.moved(Status.STOPPED, at=9.0, reason="x" * 5000, phase=Phase.MAX_RUNTIME_EXCEEDED)
    assert [(one.phase, one.ended_at) for one in job.transitions] == [
        (Phase.DOWNLOADING, 2.0),
        (Phase.TRAINING, 9.0),
        (Phase.MAX_RUNTIME_EXCEEDED, 9.0),
    ]
    assert len(job.failure_reason) == REASON_CHARACTERS
    assert all(not NEXT_PHASE[phase] for phase in (Phase.COMPLETED, Phase.FAILED, Phase.STOPPED))


@given(st.text(max_size=100))
def test_any_text_gives_a_legal_name(text: str) -> None:
    assert checked("job", stamped(text, 1_700_000_000.5))
    assert checked("tuning job", stamped(text, 1_700_000_000.5, TUNING_LENGTH), TUNING_LENGTH)
    assert checked("job", stem_of(text, 10), 10)


@pytest.mark.parametrize("name", ["", "-a", "a-", "a_b", "a b", "ä", "a" * (JOB_LENGTH + 1), "a/b", "a\n"])
def test_illegal_names(name: str) -> None:
    with pytest.raises(InvalidRequest, match="job name"):
        checked("job", name)


def test_two_starts_in_one_second_get_two_names() -> None:
    assert stamped("x", 1.001) != stamped("x", 1.002)
