"""The process that an endpoint is known by: it holds the socket, keeps a front behind it, and leaves nothing behind.

    supervisor ─┬─ front            restarted when it dies; connections wait in the backlog meanwhile
                └─ fork server ─┬─ decoders
                                └─ workers

Deliberately small: it imports nothing large, serves nothing, and has nothing that could go wrong with a request.
Whoever dies takes what is below with it (PR_SET_PDEATHSIG); whatever is left without a parent comes here, and is killed
at the end.
"""

from __future__ import annotations

import contextlib
import logging
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from typing import final

from tintype.jobs import processes
from tintype.serving.token import TOKEN_VARIABLE

FRONT = "tintype.serving.front.process"
NURSERY = "tintype.serving.workers.nursery_process"
KILL_AFTER_SECONDS = 3.0                    # beyond what the front has for draining
FIRST_PAUSE, LONGEST_PAUSE = 0.0, 5.0       # seconds before a front is started again
STEADY_SECONDS = 10.0                       # a front that has run for so long died by accident

log = logging.getLogger("tintype.serving")


@final
class Supervisor:
    """One endpoint's processes. `run` returns when they are all gone."""

    def __init__(self, listener: socket.socket, arguments: Sequence[str], drain_seconds: float) -> None:
        self._listener = listener
        self._arguments = list(arguments)
        self._drain_seconds = drain_seconds
        self._front: subprocess.Popen[bytes] | None = None
        self._was_ready = False
        self._ready, self._says_ready = os.pipe()
        self._stop_at = 0.0                 # time.monotonic() when what still runs is killed; 0: not stopping
        self._wakeup, theirs = socket.socketpair()
        for one in (self._wakeup, theirs):
            one.setblocking(False)
        self._theirs = theirs
        os.set_blocking(self._ready, False)

    def run(self) -> int:
        """Keep the endpoint up until SIGTERM. The exit code: 0 then; the front's when it never came up."""
        processes.adopt_orphans()
        signal.set_wakeup_fd(self._theirs.fileno(), warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self._begin_to_stop())
        signal.signal(signal.SIGCHLD, lambda *_: None)
        try:
            return self._keep_up()
        finally:
            self._listener.close()
            processes.kill_descendants()

    def _keep_up(self) -> int:
        pause = FIRST_PAUSE
        while True:
            started = time.monotonic()
            code = self._one_front()
            if self._stop_at:
                return 0
            if not self._was_ready:
                return code if code > 0 else 1
            steady = time.monotonic() - started > STEADY_SECONDS
            log.error("the front ended with code %d; it is started again in %g s", code, pause)
            self._sleep(pause)
            pause = FIRST_PAUSE if steady else min(max(2 * pause, 0.1), LONGEST_PAUSE)
            if self._stop_at:
                return 0

    def _one_front(self) -> int:
        """Start a fork server and a front, and return the front's exit code when it has ended."""
        parent = str(os.getpid())
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with ours, theirs:
            # Both at once: their imports take as long as each other.
            self._spawn([NURSERY, str(theirs.fileno()), parent], [theirs.fileno()], secret=False)
            descriptors = [self._listener.fileno(), ours.fileno(), self._says_ready]
            front = self._spawn([FRONT, *map(str, descriptors), parent, *self._arguments], descriptors, secret=True)
        self._front = front
        if self._stop_at:                   # SIGTERM came in between
            front.terminate()
        while (code := self._ended(front)) is None:
            self._wait()
        self._front = None
        return code

    def _spawn(self, module: list[str], descriptors: list[int], *, secret: bool) -> subprocess.Popen[bytes]:
        environment = dict(os.environ)
        if not secret:
            environment.pop(TOKEN_VARIABLE, None)           # what decodes pictures or runs a script has no use for it
            environment["OPENBLAS_NUM_THREADS"] = "1"       # its only thread must be the one that forks
        return subprocess.Popen(
            [sys.executable, "-P", "-m", *module], stdin=subprocess.DEVNULL, pass_fds=descriptors, env=environment
        )

    def _ended(self, front: subprocess.Popen[bytes]) -> int | None:
        """Bury all that has ended; the front's exit code once it is among them."""
        code = front.poll()
        with contextlib.suppress(ChildProcessError):
            while code is None:
                pid, status = os.waitpid(-1, os.WNOHANG)
                if not pid:
                    break
                if pid == front.pid:
                    code = front.returncode = os.waitstatus_to_exitcode(status)
        return code

    def _wait(self) -> None:
        """Until a signal comes, the front says that it is ready, or its time is up."""
        patience = max(0.0, self._stop_at - time.monotonic()) if self._stop_at else None
        watched = [self._wakeup.fileno()] if self._was_ready else [self._wakeup.fileno(), self._ready]
        ready, _, _ = select.select(watched, [], [], patience)
        if self._ready in ready:
            self._was_ready = bool(os.read(self._ready, 1)) or self._was_ready
        with contextlib.suppress(BlockingIOError):
            self._wakeup.recv(4096)
        if self._stop_at and time.monotonic() >= self._stop_at and self._front is not None:
            log.error("the front did not end in time; it is killed")
            self._front.kill()

    def _sleep(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while not self._stop_at and (left := until - time.monotonic()) > 0:
            select.select([self._wakeup.fileno()], [], [], left)
            with contextlib.suppress(BlockingIOError):
                self._wakeup.recv(4096)

    def _begin_to_stop(self) -> None:
        if not self._stop_at:
            self._stop_at = time.monotonic() + self._drain_seconds + KILL_AFTER_SECONDS
            self._listener.close()          # nobody new comes in; those who are in the front's hands are answered
        if self._front is not None:
            with contextlib.suppress(ProcessLookupError):
                self._front.terminate()
