"""The log of a server: what all its processes print, in a file of bounded size.

They print into a pipe, whoever started them, and a thread of the supervisor writes to the file. So there is one writer,
and when the file is full, its content becomes NAME.1 with no line lost in between; it stays the same file all along, so
that `tail -f` goes on. A supervisor that is killed takes the others with it, and at most what they said just then.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import final

from tintype.errors import InvalidRequest

LIMIT_BYTES = 64 * 1024**2          # of each of the two files, as those of the access log
PIECE_BYTES = 64 * 1024             # what a pipe holds
LAST_WORDS_SECONDS = 2.0            # for what is left in the pipe at the end
STANDARD = (1, 2)                   # output and error


@contextmanager
def kept_in(path: Path | None, limit_bytes: int = LIMIT_BYTES) -> Iterator[None]:
    """What this process and those below it print goes to the file in here; None: to where it goes anyhow."""
    if path is None:
        yield
        return
    try:
        log = ServerLog(path, limit_bytes)
    except OSError as error:
        raise InvalidRequest(f"--log {path} cannot be written: {error.strerror}; name another file") from error
    reading, writing = os.pipe()
    before = [os.dup(one) for one in STANDARD]
    for one in STANDARD:
        os.dup2(writing, one)
    os.close(writing)
    thread = threading.Thread(target=_pour, args=(reading, log), name="log", daemon=True)
    thread.start()
    try:
        yield
    finally:
        for one, old in zip(STANDARD, before, strict=True):
            os.dup2(old, one)
            os.close(old)
        thread.join(LAST_WORDS_SECONDS)     # it ends when nobody has the pipe any more


def _pour(reading: int, log: ServerLog) -> None:
    while piece := os.read(reading, PIECE_BYTES):
        log.write(piece)


@final
class ServerLog:
    """The file. One thread writes to it. A disk that is full costs lines, and the log says how many bytes of them."""

    def __init__(self, path: Path, limit_bytes: int = LIMIT_BYTES) -> None:
        self._path = path
        self._limit_bytes = limit_bytes
        self._lost = 0                      # bytes, since something was last written
        self._reason = ""
        self._descriptor = self._open()

    def write(self, piece: bytes) -> None:
        """More of what was printed. Never raises: there is nobody left to tell."""
        found = os.fstat(self._descriptor)
        if not found.st_nlink:              # somebody has removed it
            self._reopen()
        elif found.st_size + len(piece) > self._limit_bytes:
            head, newline, piece = piece.partition(b"\n")
            self._put(head + newline)       # the end of a line that is in the file
            self._turn_over()
        self._put(piece)

    def _put(self, piece: bytes) -> None:
        if self._lost and not self._confess():
            self._lost += len(piece)
        else:
            self._lost += len(piece) - self._written(piece)

    def _confess(self) -> bool:
        notice = f"\n{self._lost:,} bytes of this log were lost: {self._reason}\n".encode()
        if self._written(notice) < len(notice):
            return False
        self._lost = 0
        return True

    def _written(self, piece: bytes) -> int:
        """How much of it the disk took."""
        done = 0
        try:
            while done < len(piece):
                done += os.write(self._descriptor, piece[done:])
        except OSError as error:
            self._reason = error.strerror or str(error)
        return done

    def _turn_over(self) -> None:
        """What the file holds becomes NAME.1, and what that held is gone."""
        older = Path(f"{self._path}.1")
        try:
            with suppress(FileNotFoundError):
                older.unlink()              # first, as its place may be needed
            with older.open("wb") as target:
                at = 0
                while copied := os.sendfile(target.fileno(), self._descriptor, at, self._limit_bytes):
                    at += copied
        except OSError as error:
            self._lost, self._reason = os.fstat(self._descriptor).st_size, error.strerror or str(error)
            with suppress(OSError):
                older.unlink()
        os.ftruncate(self._descriptor, 0)

    def _reopen(self) -> None:
        with suppress(OSError):             # its folder is gone too: the endpoint is being deleted
            self._descriptor, old = self._open(), self._descriptor
            os.close(old)

    def _open(self) -> int:
        return os.open(self._path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
