"""The files of a tensor log in a folder of this machine."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tintype.debugger.log_files import LogFiles, as_view
from tintype.debugger.tfrecord import Buffer
from tintype.errors import NotFound
from tintype.storage import storage_errors

BUFFERS_PER_CALL = 512      # well below every system's IOV_MAX


class LocalFiles(LogFiles):
    """A folder of this machine."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.location = str(root)
        self._prefix = f"{root}/"

    def write(self, path: str, buffers: Sequence[Buffer]) -> None:
        final = self._prefix + path
        temporary = f"{final}.{os.getpid()}.tmp"
        with storage_errors(final):
            descriptor = self._create(temporary)
            try:
                _write_all(descriptor, buffers)
            except BaseException:
                os.close(descriptor)
                os.unlink(temporary)
                raise
            os.close(descriptor)
            os.rename(temporary, final)

    def _create(self, path: str) -> int:
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
        try:
            return os.open(path, flags, 0o644)
        except FileNotFoundError:
            os.makedirs(path.rpartition("/")[0], exist_ok=True)
            return os.open(path, flags, 0o644)

    def names(self, folder: str) -> list[str]:
        try:
            return os.listdir(self._prefix + folder)
        except (FileNotFoundError, NotADirectoryError):
            return []

    def read(self, path: str, start: int = 0, length: int | None = None) -> bytes:
        descriptor = self._open(path)
        try:
            return _read_all(descriptor, start, os.fstat(descriptor).st_size - start if length is None else length)
        finally:
            os.close(descriptor)

    def read_many(self, paths: Sequence[str]) -> Iterable[bytes | None]:
        for path in paths:
            try:
                yield self.read(path)
            except (NotFound, OSError):
                yield None

    def fill(self, path: str, start: int, memory: np.ndarray[Any, Any]) -> int:
        descriptor = self._open(path)
        try:
            view, filled = memory.data, 0
            while filled < len(view) and (count := os.preadv(descriptor, [view[filled:]], start + filled)):
                filled += count
            return filled
        finally:
            os.close(descriptor)

    def _open(self, path: str) -> int:
        try:
            return os.open(self._prefix + path, os.O_RDONLY | os.O_CLOEXEC)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise NotFound(f"there is no file {self._prefix}{path}") from error

    def size(self, path: str) -> int:
        try:
            return os.stat(self._prefix + path).st_size
        except (FileNotFoundError, NotADirectoryError) as error:
            raise NotFound(f"there is no file {self._prefix}{path}") from error

    def exists(self, path: str) -> bool:
        return os.path.isfile(self._prefix + path)

    def changed(self, folder: str) -> object:
        try:
            return os.stat(self._prefix + folder).st_mtime_ns
        except OSError:
            return 0

    def remove(self, path: str) -> None:
        with storage_errors(self._prefix + path):
            Path(self._prefix + path).unlink(missing_ok=True)


def _write_all(descriptor: int, buffers: Sequence[Buffer]) -> None:
    for first in range(0, len(buffers), BUFFERS_PER_CALL):
        waiting = [as_view(one) for one in buffers[first : first + BUFFERS_PER_CALL]]
        while waiting:
            written = os.writev(descriptor, waiting)
            if not written and any(waiting):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            while waiting and written >= len(waiting[0]):
                written -= len(waiting.pop(0))
            if waiting and written:
                waiting[0] = waiting[0][written:]


def _read_all(descriptor: int, start: int, length: int) -> bytes:
    content = os.pread(descriptor, max(length, 0), start)
    if len(content) in (0, length):
        return content
    parts, missing = [content], length - len(content)       # one call gives at most 2 GiB
    while missing and (more := os.pread(descriptor, missing, start + length - missing)):
        parts.append(more)
        missing -= len(more)
    return b"".join(parts)
