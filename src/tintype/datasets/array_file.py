"""Many small arrays of one shape, packed in one file.

Rows are written at their place by any number of threads, and read through a memory map that all processes share.
Writing goes past the map and reading gives the pages back, so that the memory of a process does not grow with the file.
"""

from __future__ import annotations

import errno
import math
import mmap
import os
import threading
import weakref
from pathlib import Path
from typing import final

import numpy as np
from numpy.typing import NDArray

from tintype.errors import InvalidRequest
from tintype.storage import storage_errors

FAULT_AROUND_BYTES = 64 * 1024             # what the kernel maps for one touched byte
CANNOT_RESERVE = {errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS}      # file systems that only find out as they write
RESIDENT_BYTES = 64 * 1024**2              # mapped pages are given back after about so many


def allocate(path: Path, row_shape: tuple[int, ...], count: int) -> ArrayFile:
    """A new file with room for `count` rows; `StorageFailed` at once when the disk has not."""
    with storage_errors(path), path.open("xb") as stream:
        _reserve(stream.fileno(), count * math.prod(row_shape))
    return ArrayFile(path, row_shape, count, writable=True)


def _reserve(descriptor: int, size: int) -> None:
    os.ftruncate(descriptor, size)
    if size and hasattr(os, "posix_fallocate"):
        try:
            os.posix_fallocate(descriptor, 0, size)
        except OSError as error:
            if error.errno not in CANNOT_RESERVE:
                raise


@final
class ArrayFile:
    """`count` rows of uint8 `row_shape` in the file at `path`."""

    def __init__(self, path: Path, row_shape: tuple[int, ...], count: int, *, writable: bool = False) -> None:
        self.path, self.row_shape, self.count = path, row_shape, count
        self.row_bytes = math.prod(row_shape)
        self._descriptor = os.open(path, os.O_RDWR if writable else os.O_RDONLY)
        self._finalizer = weakref.finalize(self, os.close, self._descriptor)
        self._mapped: np.memmap | None = None
        self._touched, self._lock = 0, threading.Lock()

    @property
    def is_whole(self) -> bool:
        """True when the file has the size it should have."""
        return os.fstat(self._descriptor).st_size == self.count * self.row_bytes

    @property
    def rows(self) -> NDArray[np.uint8]:
        """All rows, uint8 (count, *row_shape): a read-only memory map."""
        if not self.count:
            return np.empty((0, *self.row_shape), np.uint8)
        if self._mapped is None:
            self._mapped = np.memmap(self.path, np.uint8, "r", shape=(self.count, *self.row_shape))
        return self._mapped

    def write(self, row: int, values: NDArray[np.uint8]) -> None:
        """Put `values` (row_shape) in place. Safe from several threads. `StorageFailed` when the disk is full."""
        if values.shape != self.row_shape or values.dtype != np.uint8:
            raise InvalidRequest(f"a row is uint8 {self.row_shape}, got {values.dtype} {values.shape}")
        content = np.ascontiguousarray(values).reshape(-1).data
        offset = row * self.row_bytes
        with storage_errors(self.path):
            while content:
                written = os.pwrite(self._descriptor, content, offset)
                content, offset = content[written:], offset + written

    def read(self, row: int) -> NDArray[np.uint8]:
        """A copy of one row, read past the map."""
        content = os.pread(self._descriptor, self.row_bytes, row * self.row_bytes)
        return np.frombuffer(content, np.uint8).reshape(self.row_shape)

    def gather(self, rows: NDArray[np.integer], out: NDArray[np.uint8] | None = None) -> NDArray[np.uint8]:
        """A copy of `rows`, uint8 (len(rows), *row_shape), in `out` when it is given. Safe from several threads."""
        if len(rows) and not 0 <= rows.min() <= rows.max() < self.count:
            raise IndexError(f"rows {rows.min()} to {rows.max()} of {self.count}")
        gathered = np.take(np.asarray(self.rows), rows, axis=0, out=out, mode="clip")      # "raise" would buffer `out`
        with self._lock:
            self._touched += len(rows) * max(self.row_bytes, FAULT_AROUND_BYTES)
            if self._touched > RESIDENT_BYTES and self._mapped is not None:
                self._give_pages_back(self._mapped)
                self._touched = 0
        return gathered

    def _give_pages_back(self, mapped: np.memmap) -> None:
        """The pages stay in the kernel's cache; they only stop counting as memory of this process."""
        view: mmap.mmap = mapped._mmap      # pyright: ignore[reportAttributeAccessIssue]  NumPy has no public name for it
        if hasattr(mmap, "MADV_DONTNEED"):
            view.madvise(mmap.MADV_DONTNEED)

    def sync(self) -> None:
        """Have everything written so far on the disk."""
        with storage_errors(self.path):
            os.fdatasync(self._descriptor)

    def close(self) -> None:
        """Give the file back. Maps that were handed out stay valid until they are dropped."""
        self._finalizer()
        self._descriptor, self._mapped = -1, None
