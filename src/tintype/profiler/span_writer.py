"""Writing spans from a training without ever making it wait: `add` puts one into a queue, a thread does the rest."""

from __future__ import annotations

import contextlib
import os
import threading
from collections import deque
from collections.abc import Callable
from pathlib import Path

from tintype.errors import StorageFailed
from tintype.profiler.span_files import (
    FRAMEWORK,
    Span,
    StepSpan,
    base_lines,
    pevents_path,
    phase_lines,
    span_line,
    step_line,
    temporary_path,
)
from tintype.profiler.system_metrics import END_MARKER
from tintype.profiler.system_writer import cut_back_to_whole_lines
from tintype.storage import storage_errors

QUEUE_LENGTH = 20_000                   # spans; more are left out and counted, the training is never held up
FLUSH_SECONDS = 1.0                     # a killed training loses at most this
ROTATE_BYTES = 10_485_760               # SageMaker's RotateMaxFileSizeInBytes
ROTATE_SECONDS = 60                     # and RotateFileCloseIntervalInSeconds
MOST_FAILURES = 50                      # and FileOpenFailThreshold


class SpanWriter:
    """Writes the spans of one process.

    `node` is the worker's name in the files, or gives it when it is first needed. `steady` is the clock of the spans,
    in nanoseconds; `calendar` gives seconds since the epoch and is read once. With `threaded=False` nothing is written
    before `flush` (in a loader's worker process, which must not start threads).
    """

    def __init__(
        self,
        root: Path,
        node: str | Callable[[], str],
        calendar: Callable[[], float],
        steady: Callable[[], int],
        *,
        threaded: bool = True,
    ) -> None:
        self.root, self.steady = root, steady
        self._name = node
        self.left_out = 0               # spans that found the queue full, or that the disk refused
        self._base_us, self._base = int(calendar() * 1e6), steady()
        self._queue: deque[StepSpan | Span] = deque()
        self._process_id = os.getpid()
        self._descriptor = -1
        self._opened_at = self._base
        self._size = 0
        self._last_end = self._base     # of the spans in the open file
        self._phases: dict[str, int] = {}
        self._failures = 0
        self._stop = threading.Event()
        self._lock = threading.Lock()   # of the file, never of the queue
        self._thread = threading.Thread(target=self._work, name="tintype-spans", daemon=True) if threaded else None
        if self._thread:
            self._thread.start()

    @property
    def node(self) -> str:
        """The worker's name in the files. Raises `StorageFailed` when none can be claimed."""
        if not isinstance(self._name, str):
            self._name = self._name()
        return self._name

    def add(self, span: StepSpan | Span) -> None:
        """Take a span. Returns at once, and never raises; ignored in a process that was forked from this one."""
        if len(self._queue) < QUEUE_LENGTH:
            self._queue.append(span)
        else:
            self.left_out += 1

    def flush(self) -> None:
        """Write what was taken so far. The error of a full disk is counted, not raised."""
        if os.getpid() != self._process_id:
            return
        with self._lock:
            self._drain()

    def close(self) -> None:
        """Write everything, and give the last file its name."""
        if os.getpid() != self._process_id:
            return
        self._stop.set()
        if self._thread:
            self._thread.join()
        with self._lock:
            self._drain()
            self._rotate()

    def end(self) -> None:
        """`close`, and say that nothing more will come from any process."""
        self.close()
        marker = self.root / FRAMEWORK / END_MARKER
        with storage_errors(marker):
            marker.parent.mkdir(parents=True, exist_ok=True)
            marker.touch()

    def _work(self) -> None:
        while not self._stop.wait(FLUSH_SECONDS):
            with self._lock:
                self._drain()
                if self._size > ROTATE_BYTES or self.steady() - self._opened_at > ROTATE_SECONDS * 10**9:
                    self._rotate()

    def _drain(self) -> None:
        spans = [self._queue.popleft() for _ in range(len(self._queue))]
        if not spans:
            return
        if self._failures >= MOST_FAILURES:
            self.left_out += len(spans)
            return
        try:
            self._append(spans)
            self._failures = 0
        except StorageFailed:
            self._failures += 1
            self.left_out += len(spans)

    def _append(self, spans: list[StepSpan | Span]) -> None:
        path = self.root / temporary_path(self.node)
        known = dict(self._phases)
        with storage_errors(path):
            if self._descriptor < 0:
                self._open(path)
                known = {}
            lines = [] if known else base_lines(self._base_us)
            for span in spans:
                lines += self._lines(span, known)
            content = "".join([f"{line},\n" for line in lines]).encode()
            try:
                whole = os.write(self._descriptor, content) == len(content)
            except OSError:
                whole = False
            if not whole:
                os.ftruncate(self._descriptor, self._size)
                raise StorageFailed(f"the disk is full while writing {path}; free some space")
        self._phases, self._size = known, self._size + len(content)
        self._last_end = max(self._last_end, *(span.end for span in spans))

    def _open(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists():
            keep_left_over(self.root, path, self.node)
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
        os.write(self._descriptor, b"[\n")
        self._size, self._opened_at, self._phases = 2, self.steady(), {}

    def _lines(self, span: StepSpan | Span, known: dict[str, int]) -> list[str]:
        phase = span.mode.event_name if isinstance(span, StepSpan) else span.phase
        number, new = known.get(phase), []
        if number is None:
            number = known[phase] = len(known) + 1
            new = phase_lines(number, phase)
        if isinstance(span, StepSpan):
            return [*new, step_line(span, number, self._process_id, self._base)]
        return [*new, span_line(span, number, self._process_id, self._base)]

    def _rotate(self) -> None:
        if self._descriptor < 0:
            return
        with contextlib.suppress(OSError):              # a full disk: it stays the temporary file, which is read too
            finish(self._descriptor)
            end_us = self._base_us + (self._last_end - self._base) // 1000
            _rename(self.root, self.root / temporary_path(self.node), end_us, self.node)
        os.close(self._descriptor)
        self._descriptor, self._phases, self._size = -1, {}, 0


def keep_left_over(root: Path, path: Path, node: str) -> None:
    """Give the temporary file of a process that was killed its name, made whole up to its last whole line."""
    descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CLOEXEC)
    try:
        cut_back_to_whole_lines(descriptor)
        finish(descriptor)
    finally:
        os.close(descriptor)
    _rename(root, path, int(path.stat().st_mtime * 1e6), node)


def finish(descriptor: int) -> None:
    """Make the lines of an open file a whole JSON array."""
    size = os.fstat(descriptor).st_size
    if os.pread(descriptor, 2, max(0, size - 2)) == b",\n":
        os.ftruncate(descriptor, size - 2)
    os.write(descriptor, b"\n]\n")


def _rename(root: Path, path: Path, end_us: int, node: str) -> None:
    while (target := root / pevents_path(end_us, node)).exists():
        end_us += 1                                     # two rotations within a microsecond, or a clock put back
    target.parent.mkdir(parents=True, exist_ok=True)
    path.rename(target)
