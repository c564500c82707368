"""One process at a time writes a worker's part of a log."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from tintype.debugger.layout import JOURNAL
from tintype.errors import Conflict
from tintype.storage import storage_errors


class Claim:
    """Held from when it is made until `close` or the end of the process. Raises `Conflict` when it is taken.

    A record lock, not a `flock`: processes forked from the trainer (loaders) must not keep it when the trainer dies.
    Within one process it keeps nobody out.
    """

    def __init__(self, root: Path, worker: str) -> None:
        path = root / JOURNAL / f"{worker}.claim"
        with storage_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.lockf(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self.close()
            raise Conflict(f"another process writes {root} as {worker}; choose another folder for this log") from error

    def close(self) -> None:
        """Let go."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
