"""Job records over a real store."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator

import pytest

from tintype.errors import Conflict, NotFound
from tintype.jobs.job import Job, JobSpec, Source, Status
from tintype.jobs.store import KIND, OLD, JobStore
from tintype.records import Measurement, Records

SPEC = JobSpec(Source("script", "/train.py"))


@pytest.fixture
def records() -> Iterator[Records]:
    records = Records.open("sqlite://")
    yield records
    records.close()


@pytest.fixture
def store(records: Records) -> JobStore:
    return JobStore(records)


def test_a_name_is_used_once(store: JobStore) -> None:
    store.submit(Job("a", "/a", spec=SPEC))
    with pytest.raises(Conflict, match="a training job named 'a'"):
        store.submit(Job("a", "/elsewhere", spec=SPEC))
    assert store.get("a").directory == "/a"


def test_lists_are_filtered(store: JobStore) -> None:
    for name, parent in (("t-001", "t"), ("t-002", "t"), ("solo", "")):
        store.submit(Job(name, f"/{name}", parent=parent, spec=SPEC))
        time.sleep(0.002)
    store.move("t-001", Status.COMPLETED)
    assert [job.name for job in store.list()] == ["solo", "t-002", "t-001"]
    assert [job.name for job in store.list(parent="t")] == ["t-002", "t-001"]
    assert [job.name for job in store.list(status=Status.COMPLETED)] == ["t-001"]
    assert [job.name for job in store.unfinished()] == ["t-002", "solo"]
    with pytest.raises(NotFound, match="did you mean 't-00"):
        store.get("t-0001")


def test_measurements_are_kept_whatever_they_are(store: JobStore) -> None:
    store.submit(Job("m", "/m", spec=SPEC))
    store.measure("m", [Measurement("x", 1, float("nan")), Measurement("x", 2, 0.5)])
    first, second = store.measurements("m")
    assert math.isnan(first.value)
    assert [one.value for one in store.measurements("m", after=first.id)] == [second.value] == [0.5]


def test_an_end_is_final(store: JobStore) -> None:
    store.submit(Job("a", "/a", spec=SPEC))
    store.move("a", Status.FAILED, reason="no space")
    with pytest.raises(Conflict):
        store.request_stop("a")
    assert store.get("a").failure_reason == "no space"


def test_records_of_the_first_release_are_read(store: JobStore, records: Records) -> None:
    document = {
        "name": "old", "directory": "/old", "plan": {"name": "old"}, "hyperparameters": {"lr": 0.1}, "parent": "",
        "status": "InProgress", "phase": "Training", "failure_reason": "", "created_at": 1.0, "started_at": 2.0,
        "ended_at": 0.0, "owner_pid": 1, "owner_started_at": 3.0, "result": {},
    }  # fmt: skip
    records.create(KIND, "old", document, status="InProgress")
    assert (store.get("old").status, store.get("old").failure_reason) == (Status.FAILED, OLD)
    assert store.unfinished() == []
