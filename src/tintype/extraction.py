"""Unpack archives that nobody vouches for.

`tarfile`'s own filters have been broken more than once (CVE-2025-4517 and its family), so nothing here
calls `extractall`: each member is checked and written by hand. Only regular files and directories
come out; links, devices, absolute names, `..`, and members beyond the limits are refused. Modes and owners
are not restored. The result appears at `destination` in one rename, or not at all.
"""

from __future__ import annotations

import bz2
import contextlib
import errno
import gzip
import io
import lzma
import os
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any, cast, final

from tintype.errors import BadArchive, Conflict, NotFound
from tintype.storage import CHUNK_BYTES, scratch_directory, storage_errors

ARCHIVE_SUFFIXES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")

LONGEST_NAME_BYTES = 1024           # of a member, folders and all
LONGEST_PART_BYTES = 255            # of one folder or file; what file systems allow
DEEPEST = 64                        # folders in folders
LARGEST_HEADER_BYTES = 1 << 20      # tarfile reads a member's headers into memory, however long they say they are
LARGEST_PADDING_BYTES = 16 << 20    # after the last member of a tar

# The first bytes of a compressed tar -> what decompresses it; anything else is taken for a plain tar.
DECOMPRESSORS: dict[bytes, Callable[[Path], io.BufferedIOBase]] = {
    b"\x1f\x8b": gzip.GzipFile,
    b"BZh": bz2.BZ2File,
    b"\xfd7zXZ\x00": lzma.LZMAFile,
}

TAR_MAGIC, TAR_MAGIC_AT = b"ustar", 257

# What the readers raise for archives that are damaged, encrypted, or made to break them.
DAMAGED = (
    tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error,
    EOFError, NotImplementedError, RuntimeError, ValueError, LookupError, OverflowError,
)  # fmt: skip


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

    Raises `NotFound` when there is no such file, `BadArchive` naming the offending member, `Conflict` when
    `destination` is there already, `StorageFailed` when the disk is full. Nothing is left behind on failure.
    """
    if destination.exists():
        raise Conflict(f"{destination} is there already; remove it first")
    if not archive.is_file():
        raise NotFound(f"there is no archive {archive}")
    with scratch_directory(destination.parent, f".{destination.name}.") as scratch:
        with _archive_errors(archive):
            _unpack(archive, scratch, limits or Limits())
        with storage_errors(destination):
            os.chmod(scratch, 0o755)            # a scratch directory is for its owner alone
            try:
                os.rename(scratch, destination)
            except OSError as error:
                if destination.exists():
                    raise Conflict(f"{destination} was made by somebody else meanwhile") from error
                raise
    return destination


def _unpack(archive: Path, root: Path, limits: Limits) -> None:
    written = 0
    allowed = min(limits.total_bytes, max(limits.ratio_floor_bytes, int(limits.ratio * archive.stat().st_size)))
    reader = _zip_members if _is_zip(archive) else _tar_members
    for count, (name, stream) in enumerate(reader(archive), start=1):
        if count > limits.members:
            raise BadArchive(f"{archive.name} has more than {limits.members:,} members; refused")
        target = _target(archive, root, name)
        if stream is None:
            _make_directory(archive, target)
        else:
            _make_directory(archive, target.parent)
            written += _write(archive, name, stream, target, allowed - written)


def _is_zip(archive: Path) -> bool:
    """A zip says so at its end, and so does a tar whose last member is one, as torch's files are: the start decides."""
    with archive.open("rb") as stream:
        start = stream.read(tarfile.BLOCKSIZE)
    is_tar = start.startswith(tuple(DECOMPRESSORS)) or start[TAR_MAGIC_AT:].startswith(TAR_MAGIC)
    return not is_tar and zipfile.is_zipfile(archive)


@contextlib.contextmanager
def _archive_errors(archive: Path) -> Iterator[None]:
    try:
        yield
    except DAMAGED as error:
        raise BadArchive(f"{archive.name} cannot be unpacked: {error or type(error).__name__}") from error
    except OSError as error:
        if error.errno not in (None, errno.EINVAL):     # those two come from gzip, and from seeking to nowhere
            raise
        raise BadArchive(f"{archive.name} cannot be unpacked: {error}") from error


def _zip_members(archive: Path) -> Iterator[tuple[str, IO[bytes] | None]]:
    """(name, stream) of every member in order; None instead of a stream for a directory."""
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
    """As `_zip_members`."""
    with _decompressed(archive) as content, tarfile.open(fileobj=_short_reads(archive, content), mode="r:") as bundle:
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
            cast(Any, bundle).members.clear()       # tarfile would keep them all: flat memory, whatever their number


        _read_to_the_end(archive, content)


def _read_to_the_end(archive: Path, content: io.BufferedIOBase) -> None:
    """The checksum of the compressed stream comes last, and tarfile stops at the first empty block."""
    padding = 0
    while chunk := content.read(CHUNK_BYTES):
        padding += len(chunk)
        if padding > LARGEST_PADDING_BYTES:
            raise BadArchive(f"{archive.name} goes on {LARGEST_PADDING_BYTES:,} bytes after its end; refused as a bomb")


def _short_reads(archive: Path, content: io.BufferedIOBase) -> IO[bytes]:
    return cast(IO[bytes], _ShortReads(archive, content))       # tarfile asks for no more of a file than this one has


def _decompressed(archive: Path) -> io.BufferedIOBase:
    with archive.open("rb") as stream:
        start = stream.read(max(map(len, DECOMPRESSORS)))
    for magic, opener in DECOMPRESSORS.items():
        if start.startswith(magic):
            return opener(archive)
    return archive.open("rb")


@final
class _ShortReads:
    """A tar's bytes for `tarfile`, which must not ask for more at once than a header or a chunk is long."""

    def __init__(self, archive: Path, content: io.BufferedIOBase) -> None:
        self._archive = archive
        self._content = content
        self.seek = content.seek
        self.tell = content.tell

    def read(self, size: int) -> bytes:
        if size > max(CHUNK_BYTES, LARGEST_HEADER_BYTES):
            raise BadArchive(f"{self._archive.name} has a header of {size:,} bytes; refused as a bomb")
        return self._content.read(size)


def _target(archive: Path, root: Path, name: str) -> Path:
    # The SageMaker SDK repacks model archives with a first member named "" or "/": that is the root itself.
    if name.strip("/.") == "" and ".." not in name:
        return root
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or "\0" in name:
        raise BadArchive(f"{archive.name}: member {name!r} points outside the archive; refused")
    lengths = [len(os.fsencode(part)) for part in path.parts]
    if sum(lengths) > LONGEST_NAME_BYTES or max(lengths) > LONGEST_PART_BYTES or len(lengths) > DEEPEST:
        raise BadArchive(f"{archive.name}: the member {name[:40]!r}... has too long a name; refused")
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
        except FileExistsError as error:
            raise BadArchive(f"{archive.name}: member {name!r} is there twice") from error
        with sink:
            while chunk := stream.read(CHUNK_BYTES):
                written += len(chunk)
                if written > allowed:
                    raise BadArchive(f"{archive.name} unpacks to more than it may (at {name!r}); refused as a bomb")
                sink.write(chunk)
    return written
