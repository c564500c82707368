"""A worker that dies fails only its own job, and nothing outlives the pool."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tintype.errors import Busy, InvalidRequest
from tintype.jobs.workers import Json, WorkerPool, exit_reason

CHILD = """
import json, os, sys, threading, time
stopped = threading.Event()
lines = iter(sys.stdin)
print(json.dumps({"event": "ready"}), flush=True)
def wait_for_stop():
    for line in lines:
        stopped.set()
        return
for line in lines:
    plan = json.loads(line)
    name = plan["name"]
    if plan["do"] == "die":
        print("about to die", file=sys.stderr, flush=True)
        os.kill(os.getpid(), 9)
    if plan["do"] == "exit":
        sys.exit("no such thing as a plan")
    if plan["do"] == "noise":
        print("not json at all")
        sys.stdout.buffer.write(b"\\xff\\xfe\\n")
    if plan["do"] == "sleep":
        thread = threading.Thread(target=wait_for_stop, daemon=True); thread.start()
        stopped.wait(20)
    print(json.dumps({"event": "epoch", "epoch": 1, "epochs": 1, "metrics": {"valid:loss": 0.5}, "pid": os.getpid()}))
    status = "Stopped" if stopped.is_set() else "Completed"
    print(json.dumps({"event": "end", "job": name, "status": status}), flush=True)
    stopped.clear()
"""


@pytest.fixture
def pool(tmp_path: Path) -> Iterator[WorkerPool]:
    script = tmp_path / "child.py"
    script.write_text(CHILD)
    with WorkerPool([sys.executable, str(script)], 2) as pool:
        yield pool


def until_end(pool: WorkerPool, count: int = 1) -> dict[str, list[Json]]:
    found: dict[str, list[Json]] = {}
    deadline = time.monotonic() + 20
    while count and time.monotonic() < deadline:
        for job, event in pool.events(0.1):
            found.setdefault(job, []).append(event)
            count -= event["event"] == "end"
    assert count == 0, found
    return found


def test_runs_jobs_one_after_another_in_one_process(pool: WorkerPool) -> None:
    pids = set()
    for number in range(3):
        pool.start(f"j{number}", {"name": f"j{number}", "do": "work"})
        events = until_end(pool)[f"j{number}"]
        assert [event["event"] for event in events if event["event"] != "ready"] == ["epoch", "end"]
        pids.add(next(event["pid"] for event in events if event["event"] == "epoch"))
    assert len(pids) == 1


def test_more_jobs_than_workers_is_refused(pool: WorkerPool) -> None:
    for name in ("a", "b"):
        pool.start(name, {"name": name, "do": "sleep"})
    with pytest.raises(Busy, match="all 2 workers"):
        pool.start("c", {"name": "c", "do": "work"})
    for name in ("a", "b"):
        pool.stop(name)
    ends = until_end(pool, 2)
    assert {ends[name][-1]["status"] for name in ("a", "b")} == {"Stopped"}


def test_a_killed_worker_fails_its_job_and_is_replaced(pool: WorkerPool) -> None:
    pool.start("other", {"name": "other", "do": "sleep"})
    pool.start("doomed", {"name": "doomed", "do": "die"})
    end = until_end(pool)["doomed"][-1]
    assert end["status"] == "Failed"
    assert "SIGKILL" in end["reason"]
    assert "about to die" in end["reason"]
    pool.start("next", {"name": "next", "do": "work"})
    assert until_end(pool)["next"][-1]["status"] == "Completed"
    pool.stop("other")
    assert until_end(pool)["other"][-1]["status"] == "Stopped"


def test_an_exit_is_told_with_its_last_words(pool: WorkerPool) -> None:
    pool.start("x", {"name": "x", "do": "exit"})
    assert until_end(pool)["x"][-1]["reason"] == "the training process exited with code 1: no such thing as a plan"


def test_noise_on_standard_output_is_log_not_events(pool: WorkerPool) -> None:
    pool.start("n", {"name": "n", "do": "noise"})
    lines = [event["line"] for event in until_end(pool)["n"] if event["event"] == "log"]
    assert lines[0] == "not json at all"
    assert len(lines) == 2


def test_close_leaves_no_process(pool: WorkerPool) -> None:
    pool.start("a", {"name": "a", "do": "sleep"})
    pool.warm()
    pids = pool.pids
    assert len(pids) == 2
    pool.close()
    assert not any(psutil.pid_exists(pid) for pid in pids)


def test_workers_end_when_their_owner_is_killed(tmp_path: Path) -> None:
    script = tmp_path / "child.py"
    script.write_text(CHILD)
    code = (
        "import sys, time; from tintype.jobs.workers import WorkerPool\n"
        f"pool = WorkerPool([sys.executable, {str(script)!r}], 1); pool.warm()\n"
        "print(pool.pids[0], flush=True); time.sleep(60)"
    )
    owner = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    assert owner.stdout
    with owner.stdout:
        pid = int(owner.stdout.readline())
    os.kill(owner.pid, signal.SIGKILL)
    owner.wait()
    deadline = time.monotonic() + 10
    while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline, "the worker outlived its owner"
        time.sleep(0.05)


def test_empty_pool_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="at least one"):
        WorkerPool(["true"], 0)


def test_exit_reasons() -> None:
    assert exit_reason(-9, []) == "the training process was killed by SIGKILL; perhaps the machine ran out of memory"
    assert exit_reason(3, ["a", "b", " "]) == "the training process exited with code 3: b"
