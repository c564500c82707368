"""A body that has come in: a file that is no object yet, and its sums."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self, final

from tintype.storage import storage_errors
from tintype.web.faults import AwsFault
from tintype.web.s3.checksums import ALGORITHMS, text


@final
@dataclass(frozen=True)
class Slot:
    """A place within a file, for a body that needs no file of its own."""

    path: Path
    offset: int                         # bytes
    size: int                           # bytes; what is behind them is another's


@final
@dataclass(frozen=True)
class Spooled:
    """The file may be renamed away; if it was not, who spooled it removes it. Not so with a slot."""

    path: Path
    size: int
    md5: bytes
    sha256: str                         # in hex; "" when nobody asked
    checksums: dict[str, str]           # algorithm → base64, as computed of what came
    expected: dict[str, str]            # algorithm → base64, as the client said
    slot: Slot | None = None


@final
class Spool:
    """The file while it is written, and the sums while they are made. One thread uses each method at a time."""

    def __init__(self, directory: Path, *, sha256: bool, algorithms: Iterable[str], slot: Slot | None = None) -> None:
        with storage_errors(slot.path if slot else directory):
            if slot is None:
                descriptor, name = tempfile.mkstemp(dir=directory)
            else:
                descriptor, name = _open(slot), slot.path
        self.path = Path(name)
        self._slot = slot
        self.size = 0
        self._descriptor = descriptor
        self._md5 = hashlib.md5(usedforsecurity=False)
        self._sha256 = hashlib.sha256() if sha256 else None
        self._sums: dict[str, Any] = {name: ALGORITHMS[name]() for name in algorithms}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
        if self._slot is None:
            with suppress(FileNotFoundError):
                os.unlink(self.path)

    def write(self, data: bytes) -> None:
        """Put it into the file, and into all sums but the MD5. Raises `StorageFailed`."""
        if self._slot is not None and self.size + len(data) > self._slot.size:
            raise AwsFault("IncompleteBody", "There is more data than x-amz-decoded-content-length says.")
        view, position = memoryview(data), self.size + (self._slot.offset if self._slot else 0)
        with storage_errors(self.path):
            while view:
                written = os.pwrite(self._descriptor, view, position)
                view, position = view[written:], position + written
        self.size += len(data)
        if self._sha256 is not None:
            self._sha256.update(data)
        for one in self._sums.values():
            one.update(data)

    def add_to_md5(self, data: bytes) -> None:
        """The slowest sum, apart so that another core may do it."""
        self._md5.update(data)

    def finish(self, expected: dict[str, str]) -> Spooled:
        """Close the file."""
        if self._slot is None:
            os.chmod(self._descriptor, 0o644)
        os.close(self._descriptor)
        self._descriptor = -1
        return Spooled(
            self.path,
            self.size,
            self._md5.digest(),
            self._sha256.hexdigest() if self._sha256 else "",
            {name: text(one.digest()) for name, one in self._sums.items()},
            expected,
            self._slot,
        )


def _open(slot: Slot) -> int:
    try:
        return os.open(slot.path, os.O_WRONLY | os.O_CREAT, 0o600)
    except FileNotFoundError as error:
        raise AwsFault("NoSuchUpload", "The specified upload does not exist any more.", 404) from error
