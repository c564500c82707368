"""Files that are whole or not there: atomic writes, content hashes, locks, and fsspec URLs.

Local paths go through `os` directly; anything with a `scheme://` goes through fsspec.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import json
import os
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import IO, Any

import fsspec

from tintype.errors import InvalidRequest, NotFound, StorageFailed, TintypeError, UnusableHome

CHUNK_BYTES = 1 << 20
CLONE_BYTES = 1 << 30
FULL_DISK = {errno.ENOSPC, errno.EDQUOT}
ROOM_BYTES = 256 * 1024         # for a store's write-ahead log and its index, say
UNWRITABLE = {
    errno.EACCES, errno.EPERM, errno.EROFS, errno.EIO, errno.EFBIG, errno.EBUSY, errno.ETXTBSY, errno.ESTALE,
    errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ENAMETOOLONG, errno.ELOOP, errno.EINVAL, errno.ENXIO, errno.ENODEV,
}  # fmt: skip
NAME_KEPT = 40                  # characters of a file's name that its temporary has too: names end at 255 bytes

Errors = Callable[..., AbstractContextManager[None]]        # `storage_errors` or `named_errors`


@contextlib.contextmanager
def storage_errors(path: str | os.PathLike[str], *, making: bool = False) -> Iterator[None]:
    """Turn an `OSError` from writing `path` into a `StorageFailed` that says what to do; an `UnusableHome`, unless the
    disk is full.

    With `making` the block makes `path` and reads nothing: what is missing then is a place for it.
    """
    with _refusals(path, StorageFailed, UnusableHome, "choose another --home", making):
        yield


@contextlib.contextmanager
def named_errors(path: str | os.PathLike[str], *, making: bool = False) -> Iterator[None]:
    """As `storage_errors`, of a path that a person gave, who can give another: `InvalidRequest`."""
    with _refusals(path, InvalidRequest, InvalidRequest, "choose another file", making):
        yield


@contextlib.contextmanager
def _refusals(
    path: str | os.PathLike[str], full: type[TintypeError], refused: type[TintypeError], advice: str, making: bool
) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in FULL_DISK:
            raise full(f"the disk is full while writing {path}; free some space and run this again") from error
        if error.errno in UNWRITABLE or (making and error.errno == errno.ENOENT):
            raise refused(f"{path} cannot be written ({error.strerror}); {advice}") from error
        raise


def is_full(folder: Path) -> bool:
    """Whether the disk that `folder` is on has no room for as much as a store's own files, and could have it."""
    try:
        usage = shutil.disk_usage(folder)
    except OSError:
        return False
    is_a_disk = usage.total > 0 and os.access(folder, os.W_OK)      # not /proc, and nothing that is read-only
    return is_a_disk and usage.free < ROOM_BYTES


def sync_directory(directory: Path) -> None:
    """Make a rename inside `directory` survive a power cut."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def atomic_file(path: Path, *, durable: bool = True, errors: Errors = storage_errors) -> Iterator[IO[bytes]]:
    """A binary file that appears at `path`, whole, when the block ends well; otherwise nothing changes.

    With `durable` the bytes and the name are on the disk before the block ends (fsync of both).
    Raises `StorageFailed` when the disk is full or not writable.
    """
    with errors(path, making=True):
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:NAME_KEPT]}.", suffix=".part")
    with errors(path):
        try:
            with os.fdopen(descriptor, "wb") as stream:
                yield stream
                stream.flush()
                if durable:
                    os.fsync(stream.fileno())
            os.chmod(temporary, 0o644)
            os.replace(temporary, path)
        except BaseException:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(temporary)
            raise
        if durable:
            sync_directory(path.parent)


@contextlib.contextmanager
def named_file(path: Path) -> Iterator[IO[bytes]]:
    """A binary file where a person wants one: as `atomic_file`, at the end of links. What is there and takes bytes
    without being a file (a pipe, a terminal, /dev/null) is written into, as nothing must be put in its place.

    Raises `InvalidRequest` when it cannot be written.
    """
    if is_stream(path):
        with named_errors(path), path.open("wb") as stream:
            yield stream
    else:
        with atomic_file(Path(os.path.realpath(path)), errors=named_errors) as stream:
            yield stream


def refuse_unwritable(path: Path) -> None:
    """Raise `InvalidRequest` when `named_file` could not write at `path`, before anybody has worked for it."""
    with named_errors(path, making=True):
        target = Path(os.path.realpath(path))
        if target.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        if path.exists() and not os.access(path, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        if not is_stream(path):
            place = next(folder for folder in target.parents if folder.exists())
            with tempfile.TemporaryFile(dir=place):
                pass


def is_stream(path: Path) -> bool:
    """Something is there that takes bytes and is no file: a pipe, a terminal, a device."""
    try:
        mode = path.stat().st_mode
    except OSError:
        return False
    return not stat.S_ISREG(mode) and not stat.S_ISDIR(mode)


def write_bytes(path: Path, content: bytes, *, durable: bool = True) -> None:
    """Write `content` to `path` atomically."""
    with atomic_file(path, durable=durable) as stream:
        stream.write(content)


def write_json(path: Path, document: Any, *, durable: bool = True) -> None:
    """Write `document` as indented UTF-8 JSON, atomically."""
    write_bytes(path, json.dumps(document, indent=1, ensure_ascii=False).encode() + b"\n", durable=durable)


def write_named(path: Path, content: bytes) -> None:
    """Write `content` where a person wants it. Raises `InvalidRequest`."""
    with named_file(path) as stream:
        stream.write(content)


def read_json(path: Path) -> Any:
    """The document at `path`; `NotFound` when there is none, `StorageFailed` when it is damaged."""
    try:
        return json.loads(path.read_bytes())
    except FileNotFoundError as error:
        raise NotFound(f"there is no file {path}") from error
    except (ValueError, RecursionError) as error:
        raise StorageFailed(f"{path} is damaged: {error}; remove it and run this again") from error


def clone_file(source: Path, target: Path) -> None:
    """Copy a file's content; where the file system can, both share their blocks until one is changed."""
    with source.open("rb") as old, target.open("wb") as new:
        try:
            while os.copy_file_range(old.fileno(), new.fileno(), CLONE_BYTES):
                pass
        except OSError as error:
            if error.errno in FULL_DISK:
                raise
        shutil.copyfileobj(old, new, CHUNK_BYTES)           # what the kernel would not copy, perhaps all of it


def clone_tree(source: Path, target: Path) -> None:
    """Copy what is in one folder into another that is there, as `clone_file` does."""
    with os.scandir(source) as entries:
        for entry in entries:
            copy = target / entry.name
            if entry.is_dir():
                copy.mkdir()
                clone_tree(Path(entry.path), copy)
            elif entry.is_file():
                clone_file(Path(entry.path), copy)


def file_sha256(path: Path) -> str:
    """The hex SHA-256 of a file, read in chunks."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


@contextlib.contextmanager
def exclusive_lock(path: Path) -> Iterator[None]:
    """Hold an advisory lock on `path` (made when missing). The kernel drops it when the holder dies."""
    with _lock_file(path) as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def lock_if_free(path: Path) -> Iterator[bool]:
    """As `exclusive_lock`, but never waits: the block learns whether it holds the lock."""
    with _lock_file(path) as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True


def _lock_file(path: Path) -> IO[bytes]:
    with storage_errors(path, making=True):     # of the file alone: what is done with the lock held is another affair
        path.parent.mkdir(parents=True, exist_ok=True)
        return path.open("ab")


@contextlib.contextmanager
def scratch_directory(parent: Path, prefix: str) -> Iterator[Path]:
    """A new directory below `parent` to build something in; whatever is still there at the end is removed."""
    with storage_errors(parent, making=True):
        parent.mkdir(parents=True, exist_ok=True)
        directory = Path(tempfile.mkdtemp(dir=parent, prefix=prefix))
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def directory_bytes(directory: Path) -> int:
    """The apparent size of all files below `directory`; links are not followed, and vanished files do not count."""
    total = 0
    for folder, _, names in os.walk(directory):
        for name in names:
            with contextlib.suppress(FileNotFoundError):
                total += os.lstat(os.path.join(folder, name)).st_size
    return total


def is_url(location: str) -> bool:
    """True for `scheme://...`, False for a local path (a Windows drive letter is not a scheme)."""
    scheme, separator, _ = location.partition("://")
    return bool(separator) and len(scheme) > 1


def local_path(location: str) -> Path | None:
    """The local path that `location` names (`file://` included), or None when it is elsewhere."""
    if location.startswith("file://"):
        location = location.removeprefix("file://")
    return None if is_url(location) else Path(os.path.expanduser(location))     # pathlib's fails for unknown users


def fetch(location: str, destination: Path) -> Path:
    """Copy the file or the tree at an fsspec URL below `destination` and return where it now is."""
    filesystem, path = fsspec.core.url_to_fs(location)
    if not filesystem.exists(path):
        raise NotFound(f"there is nothing at {location}")
    target = destination / path.rstrip("/").rsplit("/", 1)[-1]
    with storage_errors(target):
        destination.mkdir(parents=True, exist_ok=True)
        filesystem.get(path, str(target), recursive=filesystem.info(path)["type"] == "directory")
    return target
