"""A supervisor's hold of its job: few writes, none lost when the disk is full, none after another has taken the job."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.jobs.running_engine import QUICK
from tintype.errors import Conflict, LeaseLost, NotFound
from tintype.jobs.assignment import Assignment
from tintype.jobs.event_loop import EventLoop
from tintype.jobs.job import Job, JobSpec, Phase, Source, Status
from tintype.jobs.store import JobStore
from tintype.jobs.tenure import Tenure
from tintype.records import Measurement, Owner, Records

AT = 1_700_000_000.0


@pytest.fixture
def records(tmp_path: Path) -> Iterator[Records]:
    records = Records.open(f"sqlite:///{tmp_path}/t.db")
    yield records
    records.close()


@pytest.fixture
def store(records: Records) -> JobStore:
    store = JobStore(records)
    store.submit(Job("j", "/j", spec=JobSpec(Source("script", "x"))))
    return store


@pytest.fixture
def loop() -> Iterator[EventLoop]:
    loop = EventLoop(time.monotonic)
    yield loop
    loop.close()


def begin(store: JobStore, loop: EventLoop, settle: float = QUICK.settle) -> Tenure:
    return Tenure.begin(store, Assignment("j", "/h", replace(QUICK, settle=settle), gpus=(1,)), loop, AT)


def run_for(loop: EventLoop, seconds: float) -> None:
    until = time.monotonic() + seconds
    loop.set_alarm("over", seconds, lambda: None)
    loop.run_until(lambda: time.monotonic() >= until)


def completed(job: Job) -> Job:
    return job.moved(Status.COMPLETED, at=AT + 9)


def test_a_short_job_is_recorded_at_its_beginning_and_its_end(
    store: JobStore, records: Records, loop: EventLoop
) -> None:
    tenure = begin(store, loop, settle=60)
    assert (store.get("j").phase, store.get("j").attempt, store.get("j").gpus) == (Phase.DOWNLOADING, 1, (1,))
    tenure.enter(Phase.TRAINING, AT + 1)
    tenure.enter(Phase.UPLOADING, AT + 2)
    run_for(loop, 0.1)
    before = records.get("training-job", "j").version
    tenure.finish(completed)
    job = store.get("j")
    assert records.get("training-job", "j").version == before + 1
    assert job.started_at == AT + 1
    assert [one.phase for one in job.transitions][2:] == [Phase.TRAINING, Phase.UPLOADING, Phase.COMPLETED]
    assert store.holder("j") is None


def test_a_phase_that_lasts_is_recorded(store: JobStore, loop: EventLoop) -> None:
    begin(store, loop, settle=0.01).enter(Phase.TRAINING, AT + 1)
    run_for(loop, 0.1)
    assert store.get("j").phase is Phase.TRAINING


def test_metrics_come_at_once_and_then_in_batches(store: JobStore, loop: EventLoop) -> None:
    tenure = begin(store, loop)
    tenure.measure([Measurement("loss", 1, 0.5, AT)])
    run_for(loop, 0.01)
    assert len(store.measurements("j")) == 1
    tenure.measure([Measurement("loss", 2, 0.4, AT)])
    tenure.measure([Measurement("loss", 3, 0.3, AT)])
    run_for(loop, QUICK.flush * 3)
    tenure.measure([Measurement("loss", 4, 0.2, AT)])
    tenure.finish(completed)
    assert [one.step for one in store.measurements("j")] == [1, 2, 3, 4]


def test_only_a_job_that_waits_can_be_taken_and_by_one(store: JobStore, loop: EventLoop) -> None:
    tenure = begin(store, loop)
    with pytest.raises(Conflict):
        begin(store, loop)
    tenure.finish(completed)
    with pytest.raises(Conflict, match="does not wait"):
        begin(store, loop)
    assert store.holder("j") is None
    with pytest.raises(NotFound):
        Tenure.begin(store, Assignment("nobody", "/h", QUICK), loop, AT)


def test_who_was_replaced_writes_no_more(store: JobStore, loop: EventLoop) -> None:
    tenure = begin(store, loop)
    tenure.enter(Phase.TRAINING, AT + 1)
    store.take("j", Owner.of(), over=store.holder("j"))
    tenure.measure([Measurement("loss", 1, 0.5, AT)])
    with pytest.raises(LeaseLost):
        run_for(loop, 0.2)
    for attempt in (tenure.beat, lambda: tenure.finish(completed)):
        with pytest.raises(LeaseLost):
            attempt()
    assert store.get("j").phase is Phase.DOWNLOADING
    assert store.measurements("j") == []


def test_a_full_disk_loses_no_metric_and_no_phase(store: JobStore, records: Records, loop: EventLoop) -> None:
    def pages(limit: int) -> None:
        with records._engine.connect() as connection:  # as a full disk looks to SQLite, for this connection
            connection.exec_driver_sql(f"PRAGMA max_page_count = {limit}")

    tenure = begin(store, loop)
    pages(1)
    many = [Measurement("loss", step, 0.5, AT) for step in range(5000)]
    tenure.measure(many)
    tenure.enter(Phase.TRAINING, AT + 1)
    run_for(loop, 0.2)
    assert store.measurements("j") == []
    pages(1_000_000)
    run_for(loop, 1.5)
    assert len(store.measurements("j")) == 5000
    assert store.get("j").phase is Phase.TRAINING


def test_a_stop_that_is_asked_for_is_seen_and_not_overwritten(store: JobStore, loop: EventLoop) -> None:
    tenure = begin(store, loop)
    tenure.enter(Phase.TRAINING, AT + 1)
    store.request_stop("j")
    tenure.beat()
    assert tenure.job.status is Status.STOPPING
    tenure.finish(lambda job: job.moved(Status.STOPPED, at=AT + 2))
    assert [one.phase for one in store.get("j").transitions][-2:] == [Phase.STOPPING, Phase.STOPPED]
