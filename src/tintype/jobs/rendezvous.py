"""Where a home's agent and its clients meet: a lock that says who is the agent, and a socket to wake it by.

The socket carries single bytes. A client's say that records have changed, or that warm jobs will come; the agent says
that it has heard, and that records have changed. What changed is in the records.
"""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, final

from tintype.storage import storage_errors

CHANGED = b"c"
WARM = b"w"
HEARD = b"h"
BACKLOG = 128
LOG_BYTES = 8 * 1024**2         # a log that an agent begins with has no more


@final
@dataclass(frozen=True)
class Rendezvous:
    """The files of `<home>/run`, which only its owner may enter."""

    home: Path

    @property
    def directory(self) -> Path:
        """Made when it is missing."""
        path = self.home / "run"
        with storage_errors(path):
            path.mkdir(parents=True, exist_ok=True, mode=0o700)
        return path

    @property
    def lock(self) -> Path:
        """Held by the agent for as long as it lives."""
        return self.directory / "agent.lock"

    @property
    def log(self) -> Path:
        """What the engine's own processes say."""
        return self.directory / "agent.log"

    def open_log(self) -> IO[bytes]:
        """The log, for an agent that begins. A large one becomes agent.log.1 first; what that was is gone."""
        with storage_errors(self.log), contextlib.suppress(FileNotFoundError):
            if self.log.stat().st_size > LOG_BYTES:
                os.replace(self.log, self.log.with_name("agent.log.1"))
        return self.log.open("ab")

    def listen(self) -> socket.socket:
        """Begin to take clients. For the holder of the lock."""
        listening = socket.socket(socket.AF_UNIX)
        with self._short_path() as path:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)
            listening.bind(path)
        listening.listen(BACKLOG)
        listening.setblocking(False)
        return listening

    def connect(self) -> socket.socket | None:
        """A connection to the agent; None when there is none."""
        connection = socket.socket(socket.AF_UNIX)
        try:
            with self._short_path() as path:
                connection.connect(path)
        except (FileNotFoundError, ConnectionRefusedError):
            connection.close()
            return None
        return connection

    def leave(self) -> None:
        """Take no more clients."""
        with self._short_path() as path, contextlib.suppress(FileNotFoundError):
            os.unlink(path)

    @contextlib.contextmanager
    def _short_path(self) -> Iterator[str]:
        # The address of a socket has at most 107 bytes, and the path of a home may be longer.
        descriptor = os.open(self.directory, os.O_PATH | os.O_DIRECTORY)
        try:
            yield f"/proc/self/fd/{descriptor}/agent.sock"
        finally:
            os.close(descriptor)
