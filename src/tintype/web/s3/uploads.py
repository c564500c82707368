"""Multipart uploads on the disk: a folder in `<home>/s3/.uploads/<bucket>/<id>/`.

    upload.json         the key, and what was said of the object to be
    00001.json          what is known of part 1, and where its bytes are
    whole               the object to be: parts are written where they will be, if all are as large as the first
    00001.bytes         a part that has no place there, or came again

A part has its place in `whole` once only. So what is there and was acknowledged is never written over, whatever comes
later.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, final

from tintype.errors import NotFound, StorageFailed
from tintype.storage import read_json, storage_errors, write_json
from tintype.web.s3.attributes import Attributes
from tintype.web.s3.spooled import Slot, Spooled

UPLOAD_ID = re.compile(r"[0-9a-f]{32}")
COPY_BYTES = 1 << 26
LARGEST_OBJECT = 5 * 1024**4        # bytes, as in S3


@final
@dataclass(frozen=True)
class Part:
    """One that has come whole."""

    number: int
    etag: str
    size: int
    at: int | None                              # where it is in `whole`; None: in a file of its own
    checksums: dict[str, str] = field(default_factory=dict)
    modified: float = 0.0                       # seconds since the epoch


@final
@dataclass(frozen=True)
class Upload:
    """One that is not complete."""

    id: str
    key: str
    directory: Path
    described: Attributes                       # of the object to be; its ETag is yet empty
    algorithm: str | None                       # of the checksum that its parts have
    checksum_type: str | None

    @property
    def whole(self) -> Path:
        """The file of the parts that have their place."""
        return self.directory / "whole"

    def slot(self, number: int, size: int) -> Slot | None:
        """The place in `whole` of a part that is about to come; None when it must go elsewhere."""
        with storage_errors(self.directory):
            step = self._step(size)
            offset = (number - 1) * step
            if size > step or size == 0 or offset > LARGEST_OBJECT:
                return None
            try:
                os.close(os.open(self.directory / f"{number:05d}.claim", os.O_CREAT | os.O_EXCL))
            except FileExistsError:
                return None
            return Slot(self.whole, offset, size)

    def keep(self, number: int, body: Spooled) -> Part:
        """The part of that number is now this. Raises `FileNotFoundError` when the upload is gone."""
        at = body.slot.offset if body.slot else None
        part = Part(number, body.md5.hex(), body.size, at, body.checksums)
        if at is None:
            os.replace(body.path, self._bytes(number))
        elif not self.whole.exists():
            raise FileNotFoundError(self.whole)
        document = {"etag": part.etag, "size": part.size, "at": part.at, "checksums": part.checksums}
        if not self.directory.is_dir():         # or else it would be made again
            raise FileNotFoundError(self.directory)
        write_json(self._record(number), document, durable=False)
        return part

    def part(self, number: int) -> Part | None:
        """A part, if it has come."""
        path = self._record(number)
        with suppress(NotFound, StorageFailed, FileNotFoundError, KeyError):
            found: dict[str, Any] = read_json(path)
            modified = path.stat().st_mtime
            return Part(number, found["etag"], found["size"], found["at"], found["checksums"], modified)
        return None

    def parts(self) -> Iterator[Part]:
        """All that have come, by number."""
        for path in sorted(self.directory.glob("[0-9]*.json")):
            if part := self.part(int(path.stem)):
                yield part

    def joined(self, parts: Sequence[Part], spool: Path) -> Path:
        """A file of these parts: `whole` as it is, where all lie in it one after the other, or else a new one.

        The parts stay, so that a kill halfway leaves everything to be tried again. Raises `StorageFailed`.
        """
        ends = 0
        for part in parts:
            if part.at != ends:
                return self._copied(parts, spool)
            ends += part.size
        with storage_errors(self.whole):
            os.truncate(self.whole, ends)       # a part beyond that the client does not want after all
            os.chmod(self.whole, 0o644)
        return self.whole

    def _copied(self, parts: Sequence[Part], spool: Path) -> Path:
        with storage_errors(spool):
            descriptor, name = tempfile.mkstemp(dir=spool)
            try:
                os.chmod(descriptor, 0o644)
                for part in parts:
                    path = self.whole if part.at is not None else self._bytes(part.number)
                    _append(path, part.at or 0, part.size, descriptor)
            except BaseException:
                os.unlink(name)
                raise
            finally:
                os.close(descriptor)
        return Path(name)

    def _step(self, size: int) -> int:
        """The size of all parts but the last, as the first that came has it."""
        path = self.directory / "step"
        with suppress(FileExistsError), open(path, "x") as stream:
            stream.write(str(size))
        text = path.read_text()
        return int(text) if text else 0         # another is just writing it: then this part goes elsewhere

    def _record(self, number: int) -> Path:
        return self.directory / f"{number:05d}.json"

    def _bytes(self, number: int) -> Path:
        return self.directory / f"{number:05d}.bytes"


def begin(directory: Path, key: str, described: Attributes, algorithm: str | None, checksum_type: str | None) -> None:
    """Make the folder of an upload. Raises `StorageFailed`."""
    document = {
        "key": key,
        "described": described.to_json() | {"etag": ""},
        "algorithm": algorithm,
        "checksum_type": checksum_type,
    }
    write_json(directory / "upload.json", document, durable=False)


def find(directory: Path) -> Upload | None:
    """The upload of a folder; None when there is none."""
    if not UPLOAD_ID.fullmatch(directory.name):
        return None
    with suppress(NotFound, StorageFailed):
        found = read_json(directory / "upload.json")
        described = Attributes.from_json(found["described"])
        return Upload(directory.name, found["key"], directory, described, found["algorithm"], found["checksum_type"])
    return None


def _append(path: Path, start: int, size: int, target: int) -> None:
    source = os.open(path, os.O_RDONLY)
    end = start + size
    try:
        os.lseek(source, start, os.SEEK_SET)
        try:
            while start < end and (moved := os.copy_file_range(source, target, min(COPY_BYTES, end - start))):
                start += moved                              # in the kernel, and shared where the disk can
        except OSError:                                     # not between these file systems
            while start < end and (data := os.read(source, min(1 << 20, end - start))):
                start += os.write(target, data)
                os.lseek(source, start, os.SEEK_SET)
    finally:
        os.close(source)
    if start < end:
        raise StorageFailed(f"{path} is shorter than what was acknowledged; upload the object again")
