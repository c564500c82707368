"""Records, logs and metrics say what happened, whoever died."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tintype.errors import Conflict, NotFound, StorageFailed
from tintype.jobs.directory import JobDirectory
from tintype.jobs.execution import Execution, lines_of
from tintype.jobs.job import Job, Phase, Status
from tintype.jobs.store import DEAD_OWNER, JobStore
from tintype.jobs.workers import WorkerPool
from tintype.records import Measurement, Records

CHILD = """
import json, os, sys
for line in sys.stdin:
    plan = json.loads(line)
    def say(**event): print(json.dumps(event), flush=True)
    print("warming up", file=sys.stderr, flush=True)
    for epoch in (1, 2):
        say(event="epoch", epoch=epoch, epochs=2, metrics={"valid:loss": 1 / epoch, "valid:top5": None})
    if plan.get("die"):
        os.kill(os.getpid(), 9)
    say(event="result", result={"metrics": {"valid": {"loss": 0.5}}})
    say(event="end", job=plan["name"], status="Completed", reason="")
"""


@pytest.fixture
def records() -> Iterator[Records]:
    records = Records.open("sqlite://")
    yield records
    records.close()


@pytest.fixture
def store(records: Records) -> JobStore:
    return JobStore(records)


@pytest.fixture
def execution(store: JobStore, tmp_path: Path) -> Iterator[Execution]:
    script = tmp_path / "child.py"
    script.write_text(CHILD)
    with WorkerPool([sys.executable, str(script)], 1) as pool:
        yield Execution(pool, store)


def job_in(tmp_path: Path, name: str = "a", **plan: object) -> Job:
    return Job(name, str(tmp_path / "jobs" / name), {"name": name, **plan}, {"lr": 0.1})


def test_a_job_runs_and_everything_is_kept(execution: Execution, store: JobStore, tmp_path: Path) -> None:
    events = [event["event"] for event in execution.run(job_in(tmp_path))]
    assert events[-1] == "end"
    job = store.get("a")
    assert (job.status, job.phase, job.failure_reason) == (Status.COMPLETED, Phase.COMPLETED, "")
    assert job.result == {"metrics": {"valid": {"loss": 0.5}}}
    assert 0 < job.created_at <= job.started_at <= job.ended_at
    assert [(one.name, one.step, one.value) for one in store.measurements("a")] == [
        ("valid:loss", 1, 1.0),
        ("valid:loss", 2, 0.5),
    ]
    log = "\n".join(JobDirectory(Path(job.directory)).log_tail())
    assert "warming up" in log
    assert "epoch 2/2  valid:loss 0.5" in log
    assert log.endswith("Completed")
    assert JobDirectory(Path(job.directory)).hyperparameters.read_text().strip().replace("\n", "") == '{ "lr": "0.1"}'


def test_another_process_may_ask_for_a_stop(store: JobStore, tmp_path: Path) -> None:
    script = tmp_path / "patient.py"
    script.write_text(
        "import json, sys\n"
        "lines = iter(sys.stdin); next(lines); next(lines)\n"
        "print(json.dumps({'event': 'end', 'job': 'a', 'status': 'Stopped'}), flush=True); next(lines, None)\n"
    )
    with WorkerPool([sys.executable, str(script)], 1) as pool:
        execution = Execution(pool, store)
        execution.submit(job_in(tmp_path))
        store.request_stop("a")         # as `tintype jobs stop` does, elsewhere
        store.request_stop("a")
        deadline = time.monotonic() + 10
        while not store.get("a").status.is_finished:
            assert time.monotonic() < deadline
            list(execution.events(0.1))
    assert store.get("a").status is Status.STOPPED
    with pytest.raises(Conflict, match="it cannot become Stopping"):
        store.request_stop("a")


def test_a_killed_trainer_is_a_failed_job(execution: Execution, store: JobStore, tmp_path: Path) -> None:
    list(execution.run(job_in(tmp_path, die=True)))
    job = store.get("a")
    assert job.status is Status.FAILED
    assert "SIGKILL" in job.failure_reason
    assert len(store.measurements("a")) == 2
    assert "SIGKILL" in JobDirectory(Path(job.directory)).log_tail()[-1]


def test_a_name_is_used_once(execution: Execution, tmp_path: Path) -> None:
    list(execution.run(job_in(tmp_path)))
    with pytest.raises(Conflict, match="a training job named 'a'"):
        execution.submit(job_in(tmp_path))
    with pytest.raises(Conflict, match="not run twice"):
        execution.resubmit(job_in(tmp_path))


def test_an_unwritable_directory_fails_the_job(execution: Execution, store: JobStore, tmp_path: Path) -> None:
    (tmp_path / "jobs").write_text("a file where the directory should be")
    with pytest.raises((StorageFailed, OSError)):
        execution.submit(job_in(tmp_path))
    assert store.get("a").status is Status.FAILED


def test_abandoned_jobs_are_stopped(execution: Execution, store: JobStore, tmp_path: Path) -> None:
    execution.submit(job_in(tmp_path))
    execution.abandon("interrupted")
    assert store.get("a").status is Status.STOPPED
    assert list(execution.events(1.0)) == []


def test_a_job_whose_owner_was_killed_is_failed(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/t.db"
    code = (
        "import time; from tintype.jobs.job import Job; from tintype.jobs.store import JobStore\n"
        f"from tintype.records import Records; JobStore(Records.open({url!r})).create(Job('a', '/a', {{}}))\n"
        "print('made', flush=True); time.sleep(60)"
    )
    owner = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    assert owner.stdout
    with owner.stdout:
        owner.stdout.readline()
    records = Records.open(url)
    store = JobStore(records)
    assert store.get("a").status is Status.IN_PROGRESS
    os.kill(owner.pid, signal.SIGKILL)
    owner.wait()
    assert store.list()[0].status is Status.FAILED
    assert store.get("a").failure_reason == DEAD_OWNER
    again = store.reopen(Job("a", "/a", {}))
    assert again.status is Status.IN_PROGRESS
    records.close()


def test_lists_are_filtered(store: JobStore) -> None:
    for name, parent in (("t-001", "t"), ("t-002", "t"), ("solo", "")):
        store.create(Job(name, f"/{name}", {}, parent=parent))
        time.sleep(0.002)
    store.move("t-001", Status.COMPLETED)
    assert [job.name for job in store.list()] == ["solo", "t-002", "t-001"]
    assert [job.name for job in store.list(parent="t")] == ["t-002", "t-001"]
    assert [job.name for job in store.list(status=Status.COMPLETED)] == ["t-001"]
    with pytest.raises(NotFound, match="did you mean 't-00"):
        store.get("t-0001")


def test_lines() -> None:
    assert lines_of({"event": "phase", "name": "decode", "seconds": 1.234}) == ["decode: 1.23 s"]
    assert lines_of({"event": "warning", "text": "odd"}) == ["warning: odd"]
    assert lines_of({"event": "end", "status": "Failed", "reason": "a\nb"}) == ["Failed: a", "Failed: b"]
    assert lines_of({"event": "progress"}) == []


def test_measurements_are_kept(store: JobStore) -> None:
    store.create(Job("m", "/m", {}))
    store.measure("m", [Measurement("x", 1, float("nan"))])
    assert store.measurements("m")[0].value != store.measurements("m")[0].value
