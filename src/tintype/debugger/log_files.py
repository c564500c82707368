"""The files of a tensor log by their paths below its root: what every place that keeps a log can do.

Whatever is written appears whole or not at all: locally by a rename, elsewhere because an object is only there once it
is complete. Nothing is forced to the disk: a log survives the death of its process, and a power cut may cost the end.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from tintype.debugger.tfrecord import Buffer


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


def as_view(buffer: Buffer) -> memoryview:
    """The bytes of a buffer, not copied."""
    return memoryview(buffer) if isinstance(buffer, bytes) else buffer.data
