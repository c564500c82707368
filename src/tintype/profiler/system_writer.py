"""Writing system metrics: whole lines only, a file for each minute, an end marker.

All rows of a sample go into one append. When that is cut short by a full disk, the file is cut back to the lines before
it; when the process was killed in the middle of a line, the next writer of that file cuts it back.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from tintype.errors import StorageFailed
from tintype.profiler.system_metrics import END_MARKER, SYSTEM, Series, file_path, minute_of, row_head, row_tail
from tintype.storage import storage_errors


class SystemMetricsWriter:
    """Appends the samples of one node. Used by one process per node at a time. Raises `StorageFailed`."""

    def __init__(self, root: Path, node: str = "algo-1") -> None:
        self.root = root
        self.node = node
        self._minute: int | None = None
        self._descriptor = -1
        self._spellings: dict[Series, tuple[str, str]] = {}

    def write(self, timestamp: float, sample: Mapping[Series, float]) -> None:
        """Add one sample; `timestamp` is seconds since the epoch. After an error the sample is not there at all."""
        moment = f"{timestamp:.6f}}}\n"
        content = "".join([self._line(series, value, moment) for series, value in sample.items()]).encode()
        if minute_of(timestamp) != self._minute:
            self._open(minute_of(timestamp))
        path = self._path()
        with storage_errors(path):
            before = os.fstat(self._descriptor).st_size
            try:
                whole = os.write(self._descriptor, content) == len(content)
            except OSError:
                os.ftruncate(self._descriptor, before)
                raise
            if not whole:
                os.ftruncate(self._descriptor, before)
        if not whole:
            raise StorageFailed(f"the disk is full while writing {path}; free some space")

    def _line(self, series: Series, value: float, moment: str) -> str:
        spelt = self._spellings.get(series)
        if spelt is None:
            spelt = self._spellings[series] = (row_head(series), row_tail(series))
        return f"{spelt[0]}{value:.10g}{spelt[1]}{moment}"

    def _path(self) -> Path:
        return self.root / file_path(self._minute or 0, self.node)

    def _open(self, minute: int) -> None:
        self.close()
        self._minute = minute
        path = self._path()
        try:
            with storage_errors(path):
                path.parent.mkdir(parents=True, exist_ok=True)
                (self.root / SYSTEM / END_MARKER).unlink(missing_ok=True)       # an end that was none
                self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
                cut_back_to_whole_lines(self._descriptor)
        except StorageFailed:
            self._minute = None
            raise

    def end(self) -> None:
        """Say that nothing more will come, and close."""
        self.close()
        marker = self.root / SYSTEM / END_MARKER
        with storage_errors(marker):
            marker.parent.mkdir(parents=True, exist_ok=True)
            marker.touch()

    def close(self) -> None:
        """Close the file; another writer may go on."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self._descriptor, self._minute = -1, None


def cut_back_to_whole_lines(descriptor: int) -> None:
    """Cut an open file after its last newline."""
    size = os.fstat(descriptor).st_size
    tail = os.pread(descriptor, 4096, max(0, size - 4096))
    if tail and not tail.endswith(b"\n"):
        os.ftruncate(descriptor, size - len(tail) + tail.rfind(b"\n") + 1)
