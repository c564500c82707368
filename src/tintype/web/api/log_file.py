"""A job's log file as events, by the place of their lines in the file: any part of it is read with flat memory.

Lines begin with their time, `2026-01-31T12:00:00.000Z `, and times do not go back, so that a time is found by halving.
Of a file whose lines have no times, all are as old as its last change.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, NamedTuple, final

CHUNK_BYTES = 1 << 18
STAMP_LENGTH = len("2026-01-31T12:00:00.000Z")
NEVER = 2**63


class Event(NamedTuple):
    """One line."""

    at: int                     # milliseconds since the epoch
    message: str
    start: int                  # of its line, in bytes from the beginning of the file
    end: int                    # ... and of the next


@final
@dataclass(frozen=True)
class Span:
    """Which events are wanted: from `since` on and before `until`, both in milliseconds since the epoch."""

    since: int = 0
    until: int = NEVER


@final
class LogFile:
    """The whole lines of a file that somebody may still write to. A file that is not there is empty."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def forward(self, offset: int, span: Span) -> Iterator[Event]:
        """The events from the line at `offset` on, oldest first, to the end of the span."""
        with self._open() as stream:
            if stream is None:
                return
            for event in self._events(stream, offset, self._changed(stream)):
                if event.at >= span.until:
                    return
                if event.at >= span.since:
                    yield event

    def backward(self, offset: int, span: Span) -> Iterator[Event]:
        """The events before the line at `offset`, newest first, to the beginning of the span."""
        with self._open() as stream:
            if stream is None:
                return
            changed, end = self._changed(stream), offset
            while end > 0:
                start = self._line_before(stream, max(0, end - CHUNK_BYTES), end)
                events = list(self._events(stream, start, changed, end))
                for event in reversed(events):
                    if event.at < span.since:
                        return
                    if event.at < span.until:
                        yield event
                end = start

    def first_since(self, since: int) -> int:
        """The offset of the first line that is not older, found by halving."""
        with self._open() as stream:
            if stream is None or not since:
                return 0
            low, high, changed = 0, self._size(stream), self._changed(stream)
            while high - low > CHUNK_BYTES:
                middle = self._next_line(stream, (low + high) // 2)
                event = next(self._events(stream, middle, changed), None)
                if event is None or middle >= high:
                    break
                low, high = (middle, high) if event.at < since else (low, middle)
            return next((one.start for one in self._events(stream, low, changed) if one.at >= since), self._end(stream))

    def end(self) -> int:
        """The offset behind the last whole line."""
        with self._open() as stream:
            return 0 if stream is None else self._end(stream)

    def first(self) -> Event | None:
        """The first event."""
        return next(self.forward(0, Span()), None)

    def _events(self, stream: BinaryIO, offset: int, changed: int, end: int | None = None) -> Iterator[Event]:
        at, start, rest = changed, offset, b""
        stream.seek(offset)
        while chunk := stream.read(CHUNK_BYTES if end is None else min(CHUNK_BYTES, end - start - len(rest))):
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                stamp = time_of(line)
                at, text = (at, line) if stamp is None else (stamp, line[STAMP_LENGTH + 1 :])
                following = start + len(line) + 1
                yield Event(at, text.decode(errors="replace"), start, following)
                start = following

    def _open(self) -> _Opened:
        return _Opened(self._path)

    def _changed(self, stream: BinaryIO) -> int:
        return os.fstat(stream.fileno()).st_mtime_ns // 1_000_000

    def _size(self, stream: BinaryIO) -> int:
        return os.fstat(stream.fileno()).st_size

    def _end(self, stream: BinaryIO) -> int:
        """Behind the last newline; a line is at most a little longer than 64 KiB."""
        size = self._size(stream)
        while size > 0:
            start = max(0, size - CHUNK_BYTES)
            stream.seek(start)
            found = stream.read(size - start).rfind(b"\n")
            if found >= 0:
                return start + found + 1
            size = start
        return 0

    def _next_line(self, stream: BinaryIO, offset: int) -> int:
        stream.seek(offset)
        while chunk := stream.read(CHUNK_BYTES):
            found = chunk.find(b"\n")
            if found >= 0:
                return offset + found + 1
            offset += len(chunk)
        return offset

    def _line_before(self, stream: BinaryIO, offset: int, end: int) -> int:
        """The first line that begins at or after `offset`, or the one before it when that is not before `end`."""
        if offset == 0:
            return 0
        start = self._next_line(stream, offset - 1)
        return start if start < end else self._line_before(stream, max(0, offset - CHUNK_BYTES), end)


@final
class _Opened:
    """A file that may not be there."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stream: BinaryIO | None = None

    def __enter__(self) -> BinaryIO | None:
        try:
            self._stream = self._path.open("rb")
        except (FileNotFoundError, NotADirectoryError):
            return None
        return self._stream

    def __exit__(self, *_: object) -> None:
        if self._stream is not None:
            self._stream.close()


def time_of(line: bytes) -> int | None:
    """The time that a line begins with, in milliseconds since the epoch; None when it begins with something else."""
    if line[STAMP_LENGTH - 1 : STAMP_LENGTH] != b"Z":
        return None
    try:
        moment = datetime.fromisoformat(line[:STAMP_LENGTH].decode())
    except ValueError:
        return None
    return round(moment.timestamp() * 1000)
