"""One host of a job as its supervisor sees it: a process, the pipe that it prints to, and its log."""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import socket
from collections import deque
from collections.abc import Mapping
from typing import final

from tintype.jobs import processes
from tintype.jobs.log import JobLog
from tintype.jobs.trainer import Order, await_order

CHUNK_BYTES = 1 << 20
CHUNKS = 8                      # read in one go, before anything else gets its turn
TAIL_LINES = 200                # kept to say why it failed


@final
class HostProcess:
    """Forked at once, so that it has nothing of what the supervisor opens later; started by an order."""

    def __init__(self, parent: int) -> None:
        self.exit_code: int | None = None
        self.was_started = False
        self.has_closed = False                     # its output
        self.tail: deque[str] = deque(maxlen=TAIL_LINES)
        self.log: JobLog | None = None
        self._orders, theirs = socket.socketpair()
        self.output, their_output = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            self._orders.close()
            os.close(self.output)
            await_order(theirs, their_output, parent)
        theirs.close()
        os.close(their_output)
        os.set_blocking(self.output, False)
        with contextlib.suppress(OSError):          # the user has many large pipes already
            fcntl.fcntl(self.output, fcntl.F_SETPIPE_SZ, CHUNK_BYTES)

    @property
    def is_running(self) -> bool:
        """It has not been seen to end."""
        return self.exit_code is None

    def start(self, order: Order, log: JobLog) -> None:
        """Become the job's program."""
        self.log, self.was_started = log, True
        with contextlib.suppress(BrokenPipeError):      # it was killed while it waited, and will be seen to have ended
            self._orders.sendall(order.to_bytes())
            self._orders.shutdown(socket.SHUT_WR)

    def answer(self) -> str | None:
        """Why its directory is not at /opt/ml as well; None when it is. For after its end: waits otherwise."""
        with contextlib.suppress(ConnectionError):
            return b"".join(iter(lambda: self._orders.recv(1 << 12), b"")).decode() or None
        return None

    def send(self, number: signal.Signals) -> None:
        """Signal its program, if that was started and has not ended."""
        if self.was_started and self.is_running:
            processes.send(self.pid, number)

    def note_end(self, ended: Mapping[int, int]) -> bool:
        """Take its exit code from those of all that ended; True when it is among them."""
        if self.is_running:
            self.exit_code = ended.get(self.pid)
        return self.pid in ended

    def read(self, at: float) -> list[str]:
        """Log what it has printed, as much as is there now or enough for one go, and return the lines.

        Raises `StorageFailed` when the log cannot be written.
        """
        lines: list[str] = []
        for _ in range(CHUNKS):
            try:
                chunk = os.read(self.output, CHUNK_BYTES)
            except BlockingIOError:
                break
            if not chunk:
                self.has_closed = True
                break
            if self.log is not None:
                lines += self.log.take(chunk, at)
        self.tail.extend(lines[-TAIL_LINES:])
        return lines

    def close(self, at: float) -> list[str]:
        """Close the log; returns the last line, if it had no end."""
        lines = self.log.close(at) if self.log is not None else []
        self.tail.extend(lines)
        return lines
