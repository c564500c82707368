"""The pure decisions: whose turn it is, what a job needs, what becomes of it."""

from __future__ import annotations

import signal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tintype.errors import InvalidRequest
from tintype.jobs.instances import Machine
from tintype.jobs.job import Job, JobSpec, Phase, Resources, Source, Status
from tintype.jobs.reconciliation import Need, cancelled, need_of, recovered, waiting
from tintype.jobs.slots import Place, next_to_start
from tintype.jobs.verdict import Cause, Verdict, verdict

MACHINE = Machine(cores=4, memory_bytes=100, gpus=2)


def place(name: str, parent: str = "", cores: int = 1, memory_bytes: int = 0, gpus: int = 0) -> Place:
    return Place(name, parent or name, cores, memory_bytes, gpus)


def started(queue: list[Place], running: list[Place] | None = None) -> list[str]:
    return [one.name for one in next_to_start(queue, running or [], MACHINE)]


def test_the_oldest_goes_first_as_far_as_there_is_room() -> None:
    assert started([place(name) for name in "abcdef"]) == ["a", "b", "c", "d"]
    assert started([place("a", cores=2, gpus=1), place("b", gpus=2), place("c")]) == ["a"]
    assert started([place("a", memory_bytes=60), place("b", memory_bytes=60)]) == ["a"]


def test_parents_take_turns() -> None:
    queue = [place(f"t-{n}", "t") for n in range(6)] + [place("solo"), place("u-1", "u")]
    assert started(queue) == ["t-0", "solo", "u-1", "t-1"]
    assert started(queue, [place("t-x", "t"), place("t-y", "t")]) == ["solo", "u-1"]


def test_small_jobs_do_not_overtake_a_large_one_for_ever() -> None:
    queue = [place("large", cores=4), place("small")]
    assert started(queue, [place("runs")]) == []
    assert started(queue) == ["large"]


@given(
    st.lists(
        st.builds(
            place,
            st.uuids().map(str),
            st.sampled_from(["", "p", "q"]),
            st.integers(1, 4),
            st.integers(0, 100),
            st.integers(0, 2),
        ),
        max_size=12,
    ),
)
def test_the_machine_is_never_promised_twice(queue: list[Place]) -> None:
    chosen = next_to_start(queue, [], MACHINE)
    assert sum(one.cores for one in chosen) <= MACHINE.cores
    assert sum(one.memory_bytes for one in chosen) <= MACHINE.memory_bytes
    assert sum(one.gpus for one in chosen) <= MACHINE.gpus
    assert bool(chosen) == bool(queue)  # whatever fits on the empty machine starts some time


def test_what_a_job_takes() -> None:
    assert Place.of("a", "t", Resources(), MACHINE) == place("a", "t", 4, 0, 2)
    assert Place.of("a", "", Resources(cores=1, gpus=0, instance_count=3), MACHINE) == place("a", "", 3)
    assert Place.of("a", "", Resources(instance_count=8, gpus=0), MACHINE).cores == 4
    with pytest.raises(InvalidRequest):
        Place.of("a", "", Resources(gpus=3), MACHINE)


def job(phase: Phase = Phase.STARTING, status: Status = Status.IN_PROGRESS, attempt: int = 0, retries: int = 0) -> Job:
    spec = JobSpec(Source("script", "x"), retries=retries)
    return Job("j", "/j", spec=spec, phase=phase, status=status, attempt=attempt)


@pytest.mark.parametrize(
    ("one", "held", "lost", "starting", "need"),
    [
        (job(), False, False, False, Need.START),
        (job(Phase.RESTARTING, attempt=1), False, False, False, Need.START),
        (job(), False, False, True, Need.NOTHING),
        (job(Phase.TRAINING), True, False, False, Need.NOTHING),
        (job(Phase.TRAINING), True, True, False, Need.RECOVER),
        (job(Phase.TRAINING), False, False, False, Need.RECOVER),
        (job(Phase.STOPPING, Status.STOPPING), False, False, False, Need.CANCEL),
        (job(Phase.STOPPING, Status.STOPPING), True, True, False, Need.RECOVER),
        (job(Phase.PENDING), True, True, False, Need.RECOVER),
    ],
)
def test_what_a_job_needs(one: Job, held: bool, lost: bool, starting: bool, need: Need) -> None:
    assert need_of(one, is_held=held, is_lost=lost, is_starting=starting) is need


def test_a_recovered_job_waits_again_or_ends() -> None:
    assert recovered(job(Phase.TRAINING, attempt=1), "why", at=5.0).failure_reason == "why"
    again = recovered(job(Phase.TRAINING, attempt=1, retries=1), "why", at=5.0)
    assert (again.status, again.phase) == (Status.IN_PROGRESS, Phase.RESTARTING)
    assert recovered(job(Phase.TRAINING, attempt=2, retries=1), "why", at=5.0).status is Status.FAILED
    assert recovered(job(Phase.STOPPING, Status.STOPPING, attempt=1), "why", at=5.0).status is Status.STOPPED
    not_begun, ended = job(), job().moved(Status.COMPLETED, at=1.0)
    assert recovered(not_begun, "why", at=5.0) is not_begun
    assert recovered(ended, "why", at=5.0) is ended


def test_waiting_and_cancelled() -> None:
    assert waiting(job(), at=1.0).phase is Phase.PENDING
    assert waiting(job(Phase.RESTARTING), at=1.0).phase is Phase.RESTARTING
    assert cancelled(job(Phase.STOPPING, Status.STOPPING), at=1.0).status is Status.STOPPED


KILL, TERM, SEGV = -signal.SIGKILL, -signal.SIGTERM, -signal.SIGSEGV


@pytest.mark.parametrize(
    ("codes", "failed", "cause", "restart", "expected"),
    [
        ([0, 0], None, None, True, Verdict(Status.COMPLETED)),
        ([0, 3], 1, None, True, Verdict(Status.FAILED, failed_host=1)),
        ([KILL, TERM], 0, None, True, Verdict(None, failed_host=0)),
        ([KILL], 0, None, False, Verdict(Status.FAILED, failed_host=0)),
        ([SEGV], 0, None, True, Verdict(Status.FAILED, failed_host=0)),
        ([KILL], 0, Cause.STOP, True, Verdict(Status.STOPPED)),
        ([0], None, Cause.STOP, True, Verdict(Status.STOPPED)),
        ([TERM], 0, Cause.MAX_RUNTIME, True, Verdict(Status.STOPPED, Phase.MAX_RUNTIME_EXCEEDED)),
        ([0], None, Cause.ENGINE, True, Verdict(Status.FAILED)),
    ],
)
def test_verdicts(codes: list[int], failed: int | None, cause: Cause | None, restart: bool, expected: Verdict) -> None:
    assert verdict(codes, failed, cause, may_restart=restart) == expected
