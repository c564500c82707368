"""How the agent starts supervisors: forked from the fork server where a job is warm, else as new processes."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import final

from tintype.jobs import processes
from tintype.jobs.assignment import Assignment
from tintype.jobs.event_loop import EventLoop

MESSAGE_BYTES = 1 << 16
START_SECONDS = 60.0            # for a supervisor to take its job: a new process on a busy machine imports for seconds
MOST_LOST_ZYGOTES = 3           # in a row, before one was ready: then jobs are started without
READY = {"ready": True}

OnStarted = Callable[[str, int], None]      # job, process number


@final
class Starting:
    """One thread uses it, that of `loop`. `on_started` hears of each supervisor."""

    def __init__(self, home: Path, preload: str, loop: EventLoop, patience_seconds: float) -> None:
        self.on_started: OnStarted = lambda name, pid: None
        self.on_lost: Callable[[], None] = lambda: None
        self._home = home
        self._preload = preload
        self._loop = loop
        self._patience_seconds = patience_seconds       # with a fork server that does not answer
        self._zygote: socket.socket | None = None
        self._zygote_pid = 0
        self._is_ready = False
        self._lost = 0                              # fork servers, since one was ready
        self._asked: set[str] = set()               # of the fork server, which has not answered
        self._on_the_way: set[str] = set()          # started, and not seen to look after their job
        self._tries: Counter[tuple[str, int]] = Counter()

    def is_on_its_way(self, name: str) -> bool:
        """A supervisor for the job was asked for, and may not have taken it yet."""
        return name in self._asked or name in self._on_the_way

    def tries(self, name: str, attempt: int) -> int:
        """How many supervisors were started for the job's attempt and ended without having taken it."""
        return self._tries[name, attempt]

    def start(self, assignment: Assignment, attempt: int, *, warm: bool) -> None:
        """Start a supervisor for the job, which has been attempted so often."""
        self._tries[assignment.name, attempt] += 1
        if warm and self._lost < MOST_LOST_ZYGOTES:
            self._asked.add(assignment.name)
            self.warm_up()
            self._ask(assignment)
        else:
            command = [sys.executable, "-m", "tintype.jobs.supervisor", json.dumps(assignment.to_json())]
            self._note(assignment.name, _spawn(command))

    def warm_up(self) -> None:
        """Have the fork server loaded by the time that it is needed."""
        if self._zygote is not None or self._lost >= MOST_LOST_ZYGOTES:
            return
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        descriptor = str(theirs.fileno())
        command = [sys.executable, "-m", "tintype.jobs.zygote", descriptor, str(os.getpid()), str(self._home)]
        self._zygote_pid = _spawn([*command, self._preload], pass_fds=(theirs.fileno(),))
        theirs.close()
        self._zygote = ours
        self._loop.watch(ours.fileno(), self._answered)

    def ended(self, name: str) -> None:
        """The supervisor of the job has ended; or, before that, it was seen to look after its job."""
        self._on_the_way.discard(name)
        self._loop.cancel(f"start {name}")

    def close(self) -> None:
        """Let the fork server go."""
        if self._zygote is not None:
            self._loop.forget(self._zygote.fileno())
            self._zygote.close()
            self._zygote = None
            self._loop.cancel("fork")

    def _ask(self, assignment: Assignment) -> None:
        if self._zygote is not None:
            with contextlib.suppress(ConnectionError):      # it was killed: the loop will hear of it
                self._zygote.send(json.dumps(assignment.to_json()).encode())
            if self._is_ready:
                self._expect_answer()

    def _answered(self) -> None:
        message = b""
        if self._zygote is not None:
            with contextlib.suppress(ConnectionError):
                message = self._zygote.recv(MESSAGE_BYTES)
        if not message:
            self._zygote_ended()
        elif (answer := json.loads(message)) == READY:
            self._lost, self._is_ready = 0, True
            self._expect_answer()
        else:
            self._asked.discard(answer["name"])
            self._expect_answer()
            self._note(answer["name"], answer["pid"])

    def _expect_answer(self) -> None:
        """A fork server that is ready and does not answer is frozen: it is replaced."""
        if self._asked:
            pid = self._zygote_pid
            self._loop.set_alarm("fork", self._patience_seconds, lambda: processes.send(pid, signal.SIGKILL))
        else:
            self._loop.cancel("fork")

    def _zygote_ended(self) -> None:
        self.close()
        self._is_ready = False
        self._lost += 1
        self._asked.clear()                 # if it did fork some, they have the leases or find them taken
        self.on_lost()

    def _note(self, name: str, pid: int) -> None:
        self._on_the_way.add(name)
        # One that was frozen before it took its job would keep others from it.
        self._loop.set_alarm(f"start {name}", START_SECONDS, lambda: processes.send(pid, signal.SIGKILL))
        self.on_started(name, pid)


def _spawn(command: list[str], pass_fds: tuple[int, ...] = ()) -> int:
    environment = {**os.environ, processes.MARK: processes.NO_MARK}
    process = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, pass_fds=pass_fds)
    process.returncode = 0              # it is buried with all other children
    return process.pid
