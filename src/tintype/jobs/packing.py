"""What a job leaves, packed: `model/` as model.tar.gz, `output/data/` as output.tar.gz, and both copied to a URL.

The archive is streamed to a file that appears when it is whole. The same files give the same bytes: members are sorted,
and times, owners and umasks are not kept. Links to files are packed as the files; pipes, sockets and links to nowhere
are left out, and said.
"""

from __future__ import annotations

import gzip
import io
import os
import stat
import tarfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast, final

import fsspec

from tintype.errors import StorageFailed, TintypeError
from tintype.storage import atomic_file, clone_file, local_path, storage_errors

OBJECT_STORES = frozenset({"s3", "s3a", "gs", "gcs", "abfs", "abfss", "az", "oss", "oci", "memory"})

# Weights hardly compress: deflating 100 MB of them takes seconds and saves a tenth. The largest file decides.
STORED, DEFLATED = 0, 1
PROBE_BYTES = 1 << 18
WORTHWHILE = 0.8            # of its size, or less


@final
@dataclass(frozen=True)
class Packed:
    """One archive, and what could not be part of it."""

    archive: Path
    files: int
    notes: tuple[str, ...] = ()


def pack(folders: Sequence[Path], archive: Path) -> Packed | None:
    """Pack the content of `folders` into one gzipped tar; None, and no archive, when there is no file in any.

    Where two folders (of two hosts) have a file of the same name, the first one's counts. Raises `StorageFailed` when
    the disk is full; the archive that was there before then still is.
    """
    members, notes = _members(folders)
    if not any(path.is_file() for path in members.values()):
        return None
    with (
        atomic_file(archive, durable=False) as stream,
        # No name and no time in the gzip header: they would make each packing different.
        gzip.GzipFile(filename="", fileobj=stream, mode="wb", compresslevel=_effort(members), mtime=0) as packed,
        tarfile.TarFile(fileobj=cast(IO[bytes], packed), mode="w", format=tarfile.PAX_FORMAT) as bundle,
    ):
        for name in sorted(members):
            _add(bundle, name, members[name])
    return Packed(archive, sum(path.is_file() for path in members.values()), tuple(notes))


def publish(files: Sequence[tuple[Path, str]], url: str) -> None:
    """Copy local files below an fsspec URL (or a path), under the names given; each appears whole, or not at all.

    On the same file system they are linked. Raises `StorageFailed`.
    """
    if (folder := local_path(url)) is not None:
        for path, name in files:
            _place(path, folder / name)
        return
    try:
        filesystem, root = fsspec.core.url_to_fs(url)
        for path, name in files:
            target = f"{root.rstrip('/')}/{name}"
            filesystem.makedirs(target.rsplit("/", 1)[0], exist_ok=True)
            with storage_errors(target):
                _put_whole(filesystem, path, target)
    except TintypeError:
        raise
    except Exception as error:      # each file system has errors of its own: botocore's, aiohttp's, gcsfs's
        raise StorageFailed(f"the job's output cannot be copied to {url}: {error!r}") from error


def _put_whole(filesystem: fsspec.AbstractFileSystem, path: Path, target: str) -> None:
    protocols = filesystem.protocol if isinstance(filesystem.protocol, tuple | list) else (filesystem.protocol,)
    if OBJECT_STORES.intersection(protocols):
        filesystem.put_file(str(path), target)              # an object is replaced at once, when all of it is there
        return
    folder, _, name = target.rpartition("/")
    beside = f"{folder}/.{name}.{os.getpid()}.part"
    filesystem.put_file(str(path), beside)
    try:
        filesystem.mv(beside, target)
    except FileExistsError:                                 # one that does not replace
        filesystem.rm_file(target)
        filesystem.mv(beside, target)


def _place(path: Path, target: Path) -> None:
    with storage_errors(target):
        source = os.path.realpath(path)
        if target.exists() and os.path.samefile(source, target):        # it came from there, or an attempt put it there
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        beside = target.with_name(f".{target.name}.{os.getpid()}.part")
        beside.unlink(missing_ok=True)
        try:
            try:
                os.link(source, beside)
            except OSError:                 # another file system, or one without links
                clone_file(Path(source), beside)
            os.replace(beside, target)
        finally:
            beside.unlink(missing_ok=True)


def _effort(members: Mapping[str, Path]) -> int:
    """How hard to compress, by a look into the middle of the largest file."""
    largest = max((path for path in members.values() if path.is_file()), key=lambda path: path.stat().st_size)
    with largest.open("rb") as stream:
        stream.seek(max(0, largest.stat().st_size // 2 - PROBE_BYTES // 2))
        probe = stream.read(PROBE_BYTES)
    return DEFLATED if len(zlib.compress(probe, DEFLATED)) <= WORTHWHILE * len(probe) else STORED


def _members(folders: Sequence[Path]) -> tuple[dict[str, Path], list[str]]:
    """Archive name -> path, of all folders and files; and what was left out."""
    members: dict[str, Path] = {}
    notes: list[str] = []
    for folder in folders:
        for path in _walk(folder, notes, frozenset()):
            name = path.relative_to(folder).as_posix()
            if name in members and path.is_file():
                notes.append(f"{name} is there more than once; the first host's is packed")
            members.setdefault(name, path)
    return members, notes


def _walk(folder: Path, notes: list[str], above: frozenset[str]) -> Iterator[Path]:
    if not folder.is_dir():
        return
    seen = above | {os.path.realpath(folder)}
    for entry in sorted(folder.iterdir()):
        try:
            mode = entry.stat().st_mode
        except OSError:
            notes.append(f"{entry.name} is a link to nowhere; left out")
            continue
        if stat.S_ISDIR(mode) and os.path.realpath(entry) in seen:
            notes.append(f"{entry.name} is a link to a folder that it is in; left out")
        elif stat.S_ISDIR(mode):
            yield entry
            yield from _walk(entry, notes, seen)
        elif stat.S_ISREG(mode):
            yield entry
        else:
            notes.append(f"{entry.name} is a pipe, a socket or a device; left out")


def _add(bundle: tarfile.TarFile, name: str, path: Path) -> None:
    member = tarfile.TarInfo(name)
    if path.is_dir():
        member.type, member.mode = tarfile.DIRTYPE, 0o755
        bundle.addfile(member)
        return
    with path.open("rb") as stream:
        status = os.fstat(stream.fileno())
        member.mode = 0o755 if status.st_mode & 0o100 else 0o644
        member.size = status.st_size
        bundle.addfile(member, cast(IO[bytes], _Exactly(stream, member.size, path)))


@final
class _Exactly(io.RawIOBase):
    """As many bytes as the file had when it was opened: something the job left behind may still write to it."""

    def __init__(self, stream: IO[bytes], size: int, path: Path) -> None:
        self._stream = stream
        self._left = size
        self._path = path

    def read(self, size: int = -1) -> bytes:
        """As a file's; `StorageFailed` when it has become shorter."""
        wanted = self._left if size < 0 else min(size, self._left)
        chunk = self._stream.read(wanted)
        self._left -= len(chunk)
        if len(chunk) < wanted:
            raise StorageFailed(f"{self._path} became shorter while it was packed; something still writes to it")
        return chunk
