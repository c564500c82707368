"""One JSON line for each request, in a file of bounded size. A disk that is full costs lines, never requests."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, final

from tintype.errors import InvalidRequest

LIMIT_BYTES = 64 * 1024**2          # then the file becomes NAME.1, and what that was before is gone


@final
class AccessLog:
    """The file. One event loop writes to it."""

    def __init__(self, path: Path, limit_bytes: int = LIMIT_BYTES) -> None:
        """`limit_bytes` for each of the two files."""
        self._path = path
        self._limit_bytes = limit_bytes
        self._descriptor = -1
        self._size = 0
        self.lost = 0               # lines that could not be written

    def write(self, entry: dict[str, Any]) -> None:
        """One line."""
        line = json.dumps(entry, separators=(",", ":"), ensure_ascii=False).encode(errors="replace") + b"\n"
        try:
            if self._descriptor < 0 or self._size + len(line) > self._limit_bytes:
                self._turn_over()
            self._size += os.write(self._descriptor, line)
        except OSError:
            self.lost += 1

    def close(self) -> None:
        """Close the file."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self._descriptor = -1

    def _turn_over(self) -> None:
        was_open = self._descriptor >= 0
        self.close()
        if was_open:
            os.replace(self._path, f"{self._path}.1")
        self._descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._size = os.fstat(self._descriptor).st_size


def check_place(path: Path) -> None:
    """Raise `InvalidRequest` when no file can be there; a disk that is only full at the moment is none of that."""
    if path.is_dir() or not path.parent.is_dir():
        wrong = "it is a folder" if path.is_dir() else f"there is no folder {path.parent}"
        raise InvalidRequest(f"--access-log {path}: {wrong}; name a file")
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise InvalidRequest(f"--access-log {path} cannot be written by this user; name another file")
