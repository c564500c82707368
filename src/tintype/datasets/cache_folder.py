"""A folder of cache entries that appear whole, are used by many processes, and go away when space is short.

    <folder>/<key>/entry.json   what the entry is; readers hold a shared lock on it; its time is that of the last use
    <folder>/<key>/...          whatever the owner of the entry keeps
    <folder>/building/<key>/    an entry being built; whoever holds its lock is alive, else it is rubbish
    <folder>/locks/<key>.lock   held while the entry is built

An entry that a process has open is never removed. Everything here may be deleted by hand while nothing runs.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import weakref
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, final

from tintype.errors import TooLarge, not_found
from tintype.storage import exclusive_lock, lock_if_free, storage_errors, sync_directory

ENTRY = "entry.json"
BUILDING, LOCKS, REMOVED = "building", "locks", ".removed"


@dataclass(frozen=True)
class Entry:
    """One entry, for listing."""

    key: str
    path: Path
    bytes: int
    last_used: float                   # seconds since 1970
    description: Mapping[str, Any]     # what its builder wrote in entry.json
    in_use: bool                       # some process has it open


@final
class Held:
    """An entry that stays where it is until `close`, until this object is dropped, or until the process ends."""

    def __init__(self, path: Path, descriptor: int, description: Mapping[str, Any]) -> None:
        """`descriptor` is open on the entry's file, locked, and from now on ours to close."""
        self.path, self.description = path, description
        self._finalizer = weakref.finalize(self, os.close, descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of it."""
        self._finalizer()


@final
class CacheFolder:
    """The entries below one directory."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def lock(self, key: str) -> contextlib.AbstractContextManager[None]:
        """Hold this to build `key`: one builder at a time, in all processes."""
        return exclusive_lock(self._lock_path(key))

    def hold(self, key: str) -> Held | None:
        """Open the entry for use, and note the time; None when there is no (sound) one."""
        path = self.directory / key
        try:
            with (path / ENTRY).open("rb") as stream:
                fcntl.flock(stream, fcntl.LOCK_SH)
                still_there = os.path.samestat(os.fstat(stream.fileno()), os.stat(path / ENTRY))
                description = json.loads(stream.read())
                os.utime(path / ENTRY)
                sound = still_there and isinstance(description, dict)
                return Held(path, os.dup(stream.fileno()), description) if sound else None      # dup keeps the lock
        except (OSError, ValueError):
            return None

    @contextlib.contextmanager
    def building(self, key: str, *, resume: bool = False) -> Iterator[Path]:
        """A directory to build `key` in, while its lock is held; it becomes the entry when the block ends well.

        The block writes its files, `ENTRY` among them, and syncs them. Nothing is left behind when it fails; what a
        killed builder left is removed first. With `resume` the block finds what an earlier one left, and leaves what
        it did when it fails: for the next one, unless somebody needs the room before.
        """
        scratch = self.directory / BUILDING / key
        with storage_errors(scratch):
            if not resume:
                shutil.rmtree(scratch, ignore_errors=True)
            scratch.mkdir(parents=True, exist_ok=resume)
        try:
            yield scratch
            with storage_errors(scratch):
                shutil.rmtree(self.directory / key, ignore_errors=True)      # an unsound one
                os.rename(scratch, self.directory / key)
                sync_directory(self.directory)
        finally:
            if not resume:
                shutil.rmtree(scratch, ignore_errors=True)

    def entries(self) -> tuple[Entry, ...]:
        """All entries, the most recently used first."""
        found = (_entry(path) for path in _directories(self.directory) if path.name not in (BUILDING, LOCKS))
        return tuple(sorted(filter(None, found), key=lambda entry: -entry.last_used))

    def remove(self, keys: Collection[str] | None = None) -> tuple[Entry, ...]:
        """Remove the entries `keys`, or all; what is in use stays. Returns what was removed. `NotFound` for others."""
        known = {entry.key: entry for entry in self.entries()}
        for key in keys or ():
            if key not in known:
                raise not_found("cache entry", key, known)
        self._remove_rubbish()
        chosen = known if keys is None else {key: known[key] for key in keys}
        return tuple(entry for entry in chosen.values() if self._removed(entry))

    def make_room(self, needed: int, limit: int) -> None:
        """Remove entries, the least recently used first, until `needed` more bytes fit below `limit`.

        Entries in use are passed over, and counted, so that the limit may be exceeded while they are. `TooLarge` when
        `needed` alone is over it.
        """
        if needed > limit:
            asked = f"this cache entry takes {needed:,} bytes and the limit is {limit:,}"
            raise TooLarge(f"{asked}; raise TINTYPE_CACHE_BYTES, or use fewer or smaller images")
        with exclusive_lock(self.directory / LOCKS / "eviction.lock"):
            self._remove_rubbish()
            entries = self.entries()
            used = sum(entry.bytes for entry in entries)
            used += sum(_bytes(path) for path in _directories(self.directory / BUILDING))
            for entry in reversed(entries):
                if used + needed <= limit:
                    return
                used -= entry.bytes if self._removed(entry) else 0

    def _removed(self, entry: Entry) -> bool:
        try:
            stream = (entry.path / ENTRY).open("rb")
        except OSError:
            return False
        with stream:
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
            gone = self.directory / BUILDING / f"{entry.key}{REMOVED}"
            with storage_errors(entry.path):
                gone.parent.mkdir(exist_ok=True)
                shutil.rmtree(gone, ignore_errors=True)
                os.rename(entry.path, gone)
            shutil.rmtree(gone, ignore_errors=True)
        return True

    def _remove_rubbish(self) -> None:
        """What killed builders and killed removers left."""
        for path in _directories(self.directory / BUILDING):
            with lock_if_free(self._lock_path(path.name.removesuffix(REMOVED))) as nobody_builds:
                if nobody_builds:
                    shutil.rmtree(path, ignore_errors=True)

    def _lock_path(self, key: str) -> Path:
        return self.directory / LOCKS / f"{key}.lock"


def _directories(parent: Path) -> list[Path]:
    try:
        return sorted(path for path in parent.iterdir() if path.is_dir())
    except FileNotFoundError:
        return []


def _bytes(directory: Path) -> int:
    total = 0
    for path in directory.glob("*"):
        with contextlib.suppress(FileNotFoundError):      # it may go away while we look
            total += path.stat().st_size
    return total


def _entry(path: Path) -> Entry | None:
    try:
        with (path / ENTRY).open("rb") as stream:
            description = json.loads(stream.read())
            if not isinstance(description, dict):
                return None
            last_used = os.fstat(stream.fileno()).st_mtime
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
                in_use = False
            except BlockingIOError:
                in_use = True
    except (OSError, ValueError):
        return None
    return Entry(path.name, path, _bytes(path), last_used, description, in_use)
