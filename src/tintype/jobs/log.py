"""A job's log: what its processes print, as timestamped printable lines in a file.

Lines end at "\\n". A line that a progress bar wrote over and over (carriage returns) is kept as a terminal shows it
at its end, and now and then while it lasts. Bytes that are no text become escapes, colours are dropped, and a line over
64 KiB is cut into several. Whole chunks are handled at once, so that 50 MB/s take a fraction of a core.
"""

from __future__ import annotations

import os
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import final

from tintype.storage import storage_errors

LINE_BYTES = 1 << 16
PROGRESS_SECONDS = 2.0          # how often an unfinished progress bar is logged
LARGE_BYTES = 1 << 30           # a log that reaches this says so
LARGE = "the log has reached 1 GiB; it goes on, but does the script need to say so much?"

_CONTROLS = bytes([*range(9), *range(11, 32), 127])
_COLOURS = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x08")
_UNPRINTABLE = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029]")


@final
class JobLog:
    """The log of one host of a job. `take` what was read from its pipe; `close` at the end."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with storage_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
            self._size = os.fstat(self._file).st_size
        self._rest = b""                # the line that has not ended yet
        self._progress_at = 0.0

    def take(self, chunk: bytes, at: float) -> list[str]:
        """Log the lines that `chunk` completes and return them. `at` is seconds since the epoch.

        Raises `StorageFailed` when the disk is full.
        """
        data = self._rest + chunk if self._rest else chunk
        end = data.rfind(b"\n") + 1
        whole, self._rest = data[:end], data[end:]
        lines = lines_of(whole)
        # Not simply "long enough ago": the clock may be set back.
        if b"\r" in self._rest and not 0 <= at - self._progress_at < PROGRESS_SECONDS:
            lines += self._progress(at)
        while len(self._rest) > LINE_BYTES:
            lines += self._cut()
        self._write(lines, at)
        return lines

    def say(self, text: str, at: float) -> None:
        """Log a line of our own."""
        self._write(text.splitlines(), at)

    def close(self, at: float) -> list[str]:
        """Log what is left, a line without an end, and close the file. Returns that line."""
        lines = lines_of(self._rest + b"\n") if self._rest else []
        self._rest = b""
        try:
            self._write(lines, at)
        finally:
            os.close(self._file)
        return lines

    def _progress(self, at: float) -> list[str]:
        shown, _, self._rest = self._rest.rpartition(b"\r")
        self._progress_at = at
        return lines_of(shown + b"\n")

    def _cut(self) -> list[str]:
        end = LINE_BYTES
        while end > LINE_BYTES - 4 and self._rest[end] & 0xC0 == 0x80:      # not within a character
            end -= 1
        piece, self._rest = self._rest[:end], self._rest[end:]
        return lines_of(piece + b"\n")

    def _write(self, lines: list[str], at: float) -> None:
        if not lines:
            return
        stamp = timestamp(at) + " "
        data = (stamp + ("\n" + stamp).join(lines) + "\n").encode()
        if self._size < LARGE_BYTES <= self._size + len(data):
            data += f"{stamp}{LARGE}\n".encode()
        self._size += len(data)
        with storage_errors(self.path):
            view = memoryview(data)
            while view:
                view = view[os.write(self._file, view) :]


def lines_of(whole: bytes) -> list[str]:
    """The printable lines of bytes that end with a newline."""
    if not whole:
        return []
    if whole.isascii() and len(whole.translate(None, _CONTROLS)) == len(whole):
        lines = whole[:-1].decode("ascii").split("\n")
    else:
        lines = [printable(line) for line in whole[:-1].decode("utf-8", "backslashreplace").split("\n")]
    if len(whole) > LINE_BYTES and max(map(len, lines)) > LINE_BYTES:
        return [piece for line in lines for piece in _pieces(line)]
    return lines


def printable(line: str) -> str:
    """A line as a terminal would show it at its end, with escapes for what cannot be shown."""
    if "\r" in line:
        line = _overwritten(line)
    return _UNPRINTABLE.sub(lambda found: f"\\x{ord(found[0]):02x}", _COLOURS.sub("", line))


def timestamp(at: float) -> str:
    """Seconds since the epoch as `2026-01-31T12:00:00.000Z`."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _overwritten(line: str) -> str:
    shown = ""
    for part in line.split("\r"):
        shown = part + shown[len(part) :]
    return shown


def _pieces(line: str) -> list[str]:
    return [line[start : start + LINE_BYTES] for start in range(0, len(line), LINE_BYTES)] or [""]
