"""The files of a tensor log behind any fsspec URL."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import fsspec
import numpy as np

from tintype.debugger.log_files import LogFiles, as_view
from tintype.debugger.tfrecord import Buffer
from tintype.errors import NotFound
from tintype.storage import storage_errors


class UrlFiles(LogFiles):
    """What is behind a URL, such as `gs://bucket/job/debug-output`."""

    def __init__(self, url: str) -> None:
        self.location = url
        self._filesystem, self._root = fsspec.core.url_to_fs(url)
        self._filesystem.invalidate_cache()

    def _path(self, path: str) -> str:
        return f"{self._root.rstrip('/')}/{path}"

    def write(self, path: str, buffers: Sequence[Buffer]) -> None:
        with storage_errors(f"{self.location}/{path}"), self._filesystem.open(self._path(path), "wb") as stream:
            for buffer in buffers:
                stream.write(as_view(buffer))

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
