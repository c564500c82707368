"""Unpack archives that nobody vouches for.

`tarfile`'s own filters have been broken more than once (CVE-2025-4517 and its family), so nothing here
calls `extractall`: each member is checked and written by hand. Only regular files and directories
come out; links, devices, absolute names, `..`, and members beyond the limits are refused. Modes and owners
are not restored. The result appears at `destination` in one rename, or not at all.
"""

from __future__ import annotations

import contextlib
import os
import tarfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from tintype.errors import BadArchive, Conflict
from tintype.storage import CHUNK_BYTES, scratch_directory, storage_errors

ARCHIVE_SUFFIXES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")


@dataclass(frozen=True)
class Limits:
    """What an archive may hold. The ratio is unpacked bytes to archive bytes, and guards against bombs."""

    members: int = 2_000_000
    total_bytes: int = 500 * 1024**3
    ratio: float = 200.0
    ratio_floor_bytes: int = 64 * 1024**2      # small archives may compress as well as they like


def is_archive(path: Path) -> bool:
    """True when the name says zip or tar."""
    return path.name.lower().endswith(ARCHIVE_SUFFIXES)


def extract(archive: Path, destination: Path, limits: Limits | None = None) -> Path:
    """Unpack `archive` (zip or tar, by content) to the new directory `destination`, and return it.

    Raises `BadArchive` naming the offending member, `Conflict` when `destination` is there already,
    `StorageFailed` when the disk is full. Nothing is left behind on failure.
    """
    limits = limits or Limits()
    if destination.exists():
        raise Conflict(f"{destination} is there already; remove it first")
    with scratch_directory(destination.parent, f".{destination.name}.") as scratch:
        written, members = 0, 0
        archive_bytes = archive.stat().st_size
        allowed = min(limits.total_bytes, max(limits.ratio_floor_bytes, int(limits.ratio * archive_bytes)))
        for name, stream in _members(archive):
            members += 1
            if members > limits.members:
                raise BadArchive(f"{archive.name} has more than {limits.members:,} members; refused")
            target = _target(archive, scratch, name)
            if stream is None:
                _make_directory(archive, target)
                continue
            _make_directory(archive, target.parent)
            written += _write(archive, name, stream, target, allowed - written)
        with storage_errors(destination):
            try:
                os.rename(scratch, destination)
            except OSError as error:
                if destination.exists():
                    raise Conflict(f"{destination} was made by somebody else meanwhile") from error
                raise
    return destination


def _members(archive: Path) -> Iterator[tuple[str, IO[bytes] | None]]:
    """(name, stream) of every member in order; None instead of a stream for a directory."""
    try:
        if zipfile.is_zipfile(archive):
            yield from _zip_members(archive)
        else:
            yield from _tar_members(archive)
    except (tarfile.TarError, zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError) as error:
        raise BadArchive(f"{archive.name} cannot be unpacked: {error or type(error).__name__}") from error


def _zip_members(archive: Path) -> Iterator[tuple[str, IO[bytes] | None]]:
    with zipfile.ZipFile(archive) as bundle:
        for member in bundle.infolist():
            kind = (member.external_attr >> 16) & 0o170000
            if kind not in (0, 0o100000, 0o040000):
                raise BadArchive(f"{archive.name}: member {member.filename!r} is a link or a device; refused")
            if member.is_dir():
                yield member.filename, None
            else:
                with bundle.open(member) as stream:
                    yield member.filename, stream


def _tar_members(archive: Path) -> Iterator[tuple[str, IO[bytes] | None]]:
    with tarfile.open(archive, mode="r:*") as bundle:
        for member in bundle:
            if member.isdir():
                yield member.name, None
            elif member.isreg():
                stream = bundle.extractfile(member)
                if stream is None:
                    raise BadArchive(f"{archive.name}: member {member.name!r} has no content")
                with contextlib.closing(stream):
                    yield member.name, stream
            else:
                raise BadArchive(f"{archive.name}: member {member.name!r} is a link or a device; refused")


def _target(archive: Path, root: Path, name: str) -> Path:
    # The SageMaker SDK repacks model archives with a first member named "" or "/": that is the root itself.
    if name.strip("/.") == "" and ".." not in name:
        return root
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or "\0" in name:
        raise BadArchive(f"{archive.name}: member {name!r} points outside the archive; refused")
    return root.joinpath(*path.parts)


def _make_directory(archive: Path, directory: Path) -> None:
    with storage_errors(directory):
        try:
            directory.mkdir(parents=True, exist_ok=True)
        except (FileExistsError, NotADirectoryError) as error:
            raise BadArchive(f"{archive.name}: {directory.name!r} is both a file and a directory") from error


def _write(archive: Path, name: str, stream: IO[bytes], target: Path, allowed: int) -> int:
    written = 0
    with storage_errors(target):
        try:
            sink = target.open("xb")
        except (FileExistsError, IsADirectoryError) as error:
            raise BadArchive(f"{archive.name}: member {name!r} is there twice") from error
        with sink:
            while chunk := stream.read(CHUNK_BYTES):
                written += len(chunk)
                if written > allowed:
                    raise BadArchive(f"{archive.name} unpacks to more than it may (at {name!r}); refused as a bomb")
                sink.write(chunk)
    return written
