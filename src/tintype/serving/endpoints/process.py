"""The process of a server: started detached, watched until it answers, stopped for certain.

A process is told by its pid, its start and the boot together, because pids are used again and clocks are set.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, final

import psutil

from tintype.errors import JobFailed
from tintype.process_birth import boot_id, started_at
from tintype.storage import storage_errors, write_json

POLL_SECONDS = 0.02
PING_SECONDS = 1.0
ABORT_SECONDS = 5.0
TAIL_BYTES = 16 * 1024
TAIL_LINES = 20


@final
@dataclass(frozen=True)
class ProcessIdentity:
    """One process, for all time."""

    pid: int
    started_at: int             # clock ticks since the boot
    boot_id: str = ""

    @classmethod
    def of(cls, pid: int) -> ProcessIdentity:
        """The process that has this pid now; one that has ended already is gone."""
        return cls(pid, started_at(pid) or 0, boot_id())

    @classmethod
    def own(cls) -> ProcessIdentity:
        """This process."""
        return cls.of(os.getpid())

    def find(self) -> psutil.Process | None:
        """The running process, or None when it is gone; one that has ended and was not waited for is gone."""
        if self.predates_boot or started_at(self.pid) != self.started_at:
            return None
        with contextlib.suppress(psutil.NoSuchProcess):
            return psutil.Process(self.pid)
        return None

    @property
    def is_alive(self) -> bool:
        """The process runs."""
        return self.find() is not None

    @property
    def predates_boot(self) -> bool:
        """The machine was started after the process was."""
        return self.boot_id != boot_id()


@final
@dataclass(frozen=True)
class State:
    """What a server tells of itself in its state file."""

    process: ProcessIdentity
    host: str = ""
    port: int = 0               # 0: not listening yet
    failure: str = ""

    def listening(self, host: str, port: int) -> State:
        """The state once the port is taken and the model loaded."""
        return replace(self, host=host, port=port)

    def failed(self, reason: str) -> State:
        """The state of a server that gives up."""
        return replace(self, failure=reason)

    def write(self, path: Path | None) -> None:
        """Write the file, atomically; None writes nothing."""
        if path is not None:
            write_json(path, asdict(self), durable=False)

    @classmethod
    def read(cls, path: Path) -> State | None:
        """What `write` wrote, or None when there is nothing (yet), or only what a power cut left of it."""
        try:
            document: dict[str, Any] = json.loads(path.read_bytes())
            return cls(**{**document, "process": ProcessIdentity(**document["process"])})
        except (FileNotFoundError, ValueError, TypeError, LookupError):
            return None


def spawn(command: Sequence[str], directory: Path, log: Path) -> subprocess.Popen[bytes]:
    """Start a process of its own session in `directory`: no input, all output to `log`, and it outlives us."""
    with storage_errors(log), log.open("ab") as sink:
        return subprocess.Popen(
            list(command),
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=subprocess.STDOUT,
            cwd=directory,
            start_new_session=True,
        )


def wait_until_ready(process: subprocess.Popen[bytes], state: Path, log: Path, timeout_seconds: float) -> State:
    """Wait until the server answers /ping, and return its state.

    Raises `JobFailed` with the reason and the last log lines when the process ends first or takes too long.
    """
    deadline = time.monotonic() + timeout_seconds
    while process.poll() is None:
        found = State.read(state)
        if found and found.port and answers_ping(found.host, found.port):
            reap(process)
            return found
        if time.monotonic() > deadline:
            raise JobFailed(f"the server does not answer /ping after {timeout_seconds:g} s; see {log}", log_tail(log))
        time.sleep(POLL_SECONDS)
    found, tail = State.read(state), log_tail(log)
    reason = (found.failure if found else "") or exit_reason(process.returncode, tail)
    raise JobFailed(f"the server did not start: {reason}", tail)


def stop(process: ProcessIdentity, grace_seconds: float) -> None:
    """SIGTERM, so that it drains; SIGKILL to its whole session after `grace_seconds`. Returns when it is gone."""
    running = process.find()
    if running is None:
        return
    with contextlib.suppress(psutil.NoSuchProcess):
        running.terminate()
    if not _gone(process, grace_seconds):
        _kill_session(process)
        _gone(process, grace_seconds)


def abort(process: subprocess.Popen[bytes]) -> None:
    """End a process of ours that never got ready."""
    process.terminate()
    try:
        process.wait(ABORT_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def answers_ping(host: str, port: int) -> bool:
    """True when GET /ping says 200."""
    reachable = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    connection = http.client.HTTPConnection(reachable, port, timeout=PING_SECONDS)
    try:
        connection.request("GET", "/ping")
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def log_tail(log: Path) -> tuple[str, ...]:
    """The last lines of a log, oldest first; nothing when there is none."""
    try:
        with log.open("rb") as stream:
            stream.seek(max(0, log.stat().st_size - TAIL_BYTES))
            return tuple(stream.read().decode(errors="replace").splitlines()[-TAIL_LINES:])
    except FileNotFoundError:
        return ()


def exit_reason(code: int, tail: Sequence[str]) -> str:
    """How a process ended, in words, from its exit code and its last log lines."""
    how = f"it was killed by {signal.Signals(-code).name}" if code < 0 else f"it ended with exit code {code}"
    return f"{how}: {tail[-1]}" if tail else how


def reap(process: subprocess.Popen[bytes]) -> None:
    """Collect the exit status whenever it comes, so that the server never stays behind as a zombie of ours."""
    threading.Thread(target=process.wait, name=f"wait-for-{process.pid}", daemon=True).start()


def _gone(process: ProcessIdentity, timeout_seconds: float) -> bool:
    deadline = time.monotonic() + timeout_seconds
    while process.is_alive:
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_SECONDS)
    return True


def _kill_session(process: ProcessIdentity) -> None:
    if process.is_alive:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
