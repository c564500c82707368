"""Processes: told apart, waited for, stopped for certain."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from tintype.errors import JobFailed
from tintype.serving.endpoints.process import (
    ProcessIdentity,
    State,
    abort,
    answers_ping,
    exit_reason,
    log_tail,
    spawn,
    stop,
    wait_until_ready,
)

STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(600)"
)
WITH_CHILD = "import subprocess, sys; " + (
    "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)']); " + STUBBORN
)


def start(code: str, directory: Path) -> subprocess.Popen[bytes]:
    process = spawn([sys.executable, "-c", code], directory, directory / "log")
    while process.poll() is None and "up" not in (directory / "log").read_text():
        time.sleep(0.01)
    return process


def test_a_process_is_its_pid_and_its_start(tmp_path: Path) -> None:
    own = ProcessIdentity.own()
    assert own.pid == os.getpid()
    assert own.is_alive
    assert not own.predates_boot
    assert not replace(own, started_at=own.started_at - 100).is_alive           # somebody else had the pid before
    assert replace(own, boot_id="another").predates_boot
    assert not replace(own, boot_id="another").is_alive


def test_a_clock_that_is_set_makes_no_process_another_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel counts the time of the boot back from the clock, so that all start times since the epoch jump."""
    own = ProcessIdentity.own()
    real = psutil.Process.create_time
    monkeypatch.setattr(psutil, "boot_time", lambda: 1e9)
    monkeypatch.setattr(psutil.Process, "create_time", lambda process: real(process) + 3600)
    assert own.is_alive
    assert not own.predates_boot
    assert own == ProcessIdentity.own()


def test_a_recycled_pid_is_never_killed(tmp_path: Path) -> None:
    bystander = start(STUBBORN, tmp_path)
    identity = ProcessIdentity.of(bystander.pid)
    stop(replace(identity, started_at=identity.started_at - 5), grace_seconds=0.1)
    assert identity.is_alive
    abort_now(bystander)


def abort_now(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()


def test_a_spawned_process_is_on_its_own(tmp_path: Path) -> None:
    process = start("import os; print('up', os.getsid(0), os.getcwd(), os.read(0, 1), flush=True)", tmp_path)
    process.wait()
    assert log_tail(tmp_path / "log") == (f"up {process.pid} {tmp_path} b''",)


def test_the_stubborn_are_killed_with_their_children(tmp_path: Path) -> None:
    process = start(WITH_CHILD, tmp_path)
    identity = ProcessIdentity.of(process.pid)
    (child,) = psutil.Process(process.pid).children()
    stop(identity, grace_seconds=0.2)
    assert not identity.is_alive
    assert process.wait(60) == -9
    psutil.wait_procs([child], timeout=60)
    assert not child.is_running() or child.status() == psutil.STATUS_ZOMBIE
    stop(identity, grace_seconds=0.2)               # once more does no harm


def test_abort(tmp_path: Path) -> None:
    process = start("print('up', flush=True); import time; time.sleep(600)", tmp_path)
    abort(process)
    assert process.returncode == -15
    abort(process)


def test_a_server_that_ends_or_never_answers(tmp_path: Path) -> None:
    state, log = tmp_path / "state.json", tmp_path / "log"
    ended = start("print('no such luck'); raise SystemExit(3)", tmp_path)
    with pytest.raises(JobFailed, match="exit code 3: no such luck") as error:
        wait_until_ready(ended, state, log, 30)
    assert error.value.log_tail == ("no such luck",)
    mute = start("print('up', flush=True); import time; time.sleep(600)", tmp_path)
    with pytest.raises(JobFailed, match=r"does not answer /ping after 0\.1 s"):
        wait_until_ready(mute, state, log, 0.1)
    abort_now(mute)
    State(ProcessIdentity.of(os.getpid())).failed("the port is taken").write(state)
    with pytest.raises(JobFailed, match="did not start: the port is taken"):
        wait_until_ready(mute, state, log, 30)


def test_the_state_file(tmp_path: Path) -> None:
    assert State.read(tmp_path / "none") is None
    state = State(ProcessIdentity(12, 35)).listening("::1", 80)
    state.write(tmp_path / "state")
    assert State.read(tmp_path / "state") == state
    state.write(None)
    for torn in (b"", b"\0" * 90, b"[]", b'{"process": {}}'):
        (tmp_path / "torn").write_bytes(torn)
        assert State.read(tmp_path / "torn") is None


def test_words_and_pings() -> None:
    assert exit_reason(-9, ()) == "it was killed by SIGKILL"
    assert exit_reason(1, ("last",)) == "it ended with exit code 1: last"
    assert not answers_ping("127.0.0.1", 1)
    assert log_tail(Path("/nowhere/log")) == ()
