"""The files of a tensor log by their paths below its root, on a local disk or behind any fsspec URL.

Whatever is written appears whole or not at all: locally by a rename, elsewhere because an object is only there once it
is complete. Nothing is forced to the disk: a log survives the death of its process, and a power cut may cost the end.
"""

from __future__ import annotations

import errno
import os
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import fsspec
import numpy as np

from tintype.debugger.tfrecord import Buffer
from tintype.errors import NotFound
from tintype.storage import local_path, storage_errors

BUFFERS_PER_CALL = 512      # well below every system's IOV_MAX


class LogFiles(ABC):
    """The files of one log. Paths are relative, with `/` between their parts."""

    location: str

    @abstractmethod
    def write(self, path: str, buffers: Sequence[Buffer]) -> None:
        """Write a file whole, from buffers one after the other. Raises `StorageFailed` when there is no room."""

    @abstractmethod
    def names(self, folder: str) -> list[str]:
        """The names of what is in a folder, in no order; none when there is no such folder."""

    @abstractmethod
    def read(self, path: str, start: int = 0, length: int | None = None) -> bytes:
        """The bytes from `start` on, `length` of them or fewer where the file ends. Raises `NotFound`."""

    @abstractmethod
    def read_many(self, paths: Sequence[str]) -> Iterable[bytes | None]:
        """The content of each file in turn, or None for one that cannot be read."""

    @abstractmethod
    def fill(self, path: str, start: int, memory: np.ndarray[Any, Any]) -> int:
        """Read bytes from `start` on into flat `memory` of uint8; how many there were. Raises `NotFound`."""

    @abstractmethod
    def size(self, path: str) -> int:
        """How many bytes a file has. Raises `NotFound`."""

    @abstractmethod
    def exists(self, path: str) -> bool:
        """True when there is such a file."""

    @abstractmethod
    def changed(self, folder: str) -> object:
        """A value that differs from an earlier one when files were added to the folder; None when nobody can tell."""

    @abstractmethod
    def remove(self, path: str) -> None:
        """Remove a file, if it is there."""


def log_files(location: str | Path) -> LogFiles:
    """The files below `location`, a path or a URL."""
    spelt = str(location).strip().rstrip("/") or "/"
    local = local_path(spelt)
    if local is not None:
        return LocalFiles(local)
    if spelt.startswith("s3://"):
        from tintype.debugger.s3_files import S3Files  # here: boto3 takes its time to load

        return S3Files(spelt)
    return RemoteFiles(spelt)


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


class RemoteFiles(LogFiles):
    """What is behind an fsspec URL, such as `s3://bucket/job/debug-output`."""

    def __init__(self, url: str) -> None:
        self.location = url
        self._filesystem, self._root = fsspec.core.url_to_fs(url)
        self._filesystem.invalidate_cache()

    def _path(self, path: str) -> str:
        return f"{self._root.rstrip('/')}/{path}"

    def write(self, path: str, buffers: Sequence[Buffer]) -> None:
        with storage_errors(f"{self.location}/{path}"), self._filesystem.open(self._path(path), "wb") as stream:
            for buffer in buffers:
                stream.write(_view(buffer))

    def names(self, folder: str) -> list[str]:
        self._filesystem.invalidate_cache()
        try:
            listed = self._filesystem.ls(self._path(folder), detail=False)
        except (FileNotFoundError, NotADirectoryError):
            return []
        return [name.rstrip("/").rsplit("/", 1)[-1] for name in listed]

    def read(self, path: str, start: int = 0, length: int | None = None) -> bytes:
        try:
            return self._filesystem.cat_file(self._path(path), start, None if length is None else start + length)
        except FileNotFoundError as error:
            raise NotFound(f"there is no file {self.location}/{path}") from error

    def read_many(self, paths: Sequence[str]) -> Iterable[bytes | None]:
        at = [self._path(path) for path in paths]
        found = self._filesystem.cat(at, on_error="return") if at else {}      # many requests at once where it can
        for path in at:
            content = found.get(path)
            yield content if isinstance(content, bytes) else None

    def fill(self, path: str, start: int, memory: np.ndarray[Any, Any]) -> int:
        content = self.read(path, start, len(memory))
        memory[: len(content)] = np.frombuffer(content, np.uint8)
        return len(content)

    def size(self, path: str) -> int:
        try:
            return int(self._filesystem.size(self._path(path)) or 0)
        except FileNotFoundError as error:
            raise NotFound(f"there is no file {self.location}/{path}") from error

    def exists(self, path: str) -> bool:
        self._filesystem.invalidate_cache()
        return self._filesystem.exists(self._path(path))

    def changed(self, folder: str) -> object:
        return None

    def remove(self, path: str) -> None:
        if self.exists(path):
            self._filesystem.rm_file(self._path(path))


def _view(buffer: Buffer) -> memoryview:
    return memoryview(buffer) if isinstance(buffer, bytes) else buffer.data


def _write_all(descriptor: int, buffers: Sequence[Buffer]) -> None:
    for first in range(0, len(buffers), BUFFERS_PER_CALL):
        waiting = [_view(one) for one in buffers[first : first + BUFFERS_PER_CALL]]
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
