"""Every file decoded once: a memory-mapped uint8 array shared by all epochs, trials and processes.

One entry holds the images of one selection of files in one view. Its key is made of the files' paths, sizes and times,
so a changed file means another entry, into which the unchanged rows are copied. A file that cannot be decoded has
`ok` False and a reason, and its row must not be used (it is never written, so it is black).
"""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Self, final

import numpy as np
from numpy.typing import NDArray

from tintype.cores import usable_cores
from tintype.datasets.array_file import ArrayFile, allocate
from tintype.datasets.cache_folder import ENTRY, CacheFolder, Entry, Held
from tintype.datasets.dataset import Dataset
from tintype.datasets.decoding import Decoding, Progress, Rows
from tintype.datasets.images import MAX_PIXELS
from tintype.datasets.views import View
from tintype.errors import InvalidRequest, StorageFailed
from tintype.storage import atomic_file, write_bytes

__all__ = ["ImageCache", "Problem", "View", "build", "clear", "entries"]

FORMAT = 2                         # of the files and how pixels are made; another number means another key
PIXELS, ROWS = "pixels.bin", "rows.npy"
ROW = np.dtype([("ok", np.bool_), ("aspect", np.float32), ("identity", "S16")])
UNREADABLE = "unreadable"          # how the reason begins when the file, not its content, is the trouble
FAMILY_LETTERS = 16                # of the key; entries of one family may lend each other rows


@dataclass(frozen=True)
class Problem:
    """A file that is not in the cache."""

    path: str                      # as in the data set
    reason: str


@dataclass(frozen=True)
class _Request:
    """What is wanted, and what it is called."""

    dataset: Dataset
    indices: NDArray[np.int64]
    view: View
    max_pixels: int
    identities: NDArray[np.bytes_]      # (n,) 16 bytes a file: path, size and time
    key: str

    @property
    def family(self) -> str:
        return self.key[:FAMILY_LETTERS]

    def path(self, row: int) -> str:
        return self.dataset.paths[int(self.indices[row])]

    def file(self, row: int) -> Path:
        return self.dataset.file(int(self.indices[row]))


@final
class ImageCache:
    """An open entry, which nobody removes. It closes with `close`, at the end of a `with`, or when it is dropped.

    images:   uint8 (n, side, side, 3), read-only memory map; row i is the file `indices[i]`
    ok:       bool (n,): rows that may be used
    aspect:   float32 (n,): width / height of the whole picture, upright (1 where not `ok`)
    problems: the files that are not `ok`, and why
    key:      names the entry; equal keys mean equal pixels
    hit:      True when nothing had to be decoded or copied
    """

    def __init__(self, held: Held, key: str, hit: bool) -> None:
        description = held.description
        self._held, self.key, self.hit = held, key, hit
        with (held.path / ROWS).open("rb") as stream:
            rows = np.load(stream)
        self.ok: NDArray[np.bool_] = rows["ok"].copy()
        self.aspect: NDArray[np.float32] = rows["aspect"].copy()
        self._identities: NDArray[np.bytes_] = rows["identity"].copy()
        self.problems = tuple(Problem(path, reason) for path, reason in description["problems"])
        side = int(description["side"])
        self._pixels = ArrayFile(held.path / PIXELS, (side, side, 3), len(self.ok))
        if not self._pixels.is_whole:
            self._pixels.close()
            raise ValueError(f"{held.path / PIXELS} has not the size it should have")

    @property
    def images(self) -> NDArray[np.uint8]:
        """uint8 (n, side, side, 3), a read-only memory map."""
        return self._pixels.rows

    def gather(self, rows: NDArray[np.integer], out: NDArray[np.uint8] | None = None) -> NDArray[np.uint8]:
        """A batch: a copy of `rows`, uint8 (len(rows), side, side, 3). The way to read much without growing."""
        return self._pixels.gather(rows, out)

    def row(self, row: int) -> NDArray[np.uint8]:
        """A copy of one image."""
        return self._pixels.read(row)

    def lookup(self, identities: NDArray[np.bytes_]) -> NDArray[np.int64]:
        """For each identity the row that holds it, or -1. Only rows that are `ok` are lent."""
        rows = np.flatnonzero(self.ok)
        if not len(rows):
            return np.full(len(identities), -1)
        mine = self._identities[rows]
        order = np.argsort(mine, kind="stable")
        place = np.minimum(np.searchsorted(mine[order], identities), len(order) - 1)
        found = rows[order[place]]
        return np.where(self._identities[found] == identities, found, -1)

    def __len__(self) -> int:
        return len(self.ok)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the entry. `images` that were handed out stay valid."""
        self._pixels.close()
        self._held.close()


def build(
    dataset: Dataset,
    indices: Sequence[int] | NDArray[np.int64],
    view: View,
    *,
    directory: Path,
    limit_bytes: int,
    max_pixels: int = MAX_PIXELS,
    workers: int | None = None,
    progress: Progress | None = None,
) -> ImageCache:
    """Open the entry of these files in this view, decoding what no entry has yet.

    `workers` threads decode (None: as many as there are cores; the decoders work without the interpreter's lock).
    `progress(done, total)` is called from this thread. Two builders of one entry take turns, and the second finds it
    made; a builder that is killed leaves nothing that is used. Entries not in use are removed, the least recently used
    first, to stay below `limit_bytes`. Raises `StorageFailed` when the disk is full and `TooLarge` when this entry
    alone is over the limit. A file that cannot be decoded raises nothing: see `ImageCache.problems`.
    """
    if workers is not None and workers < 1:
        raise InvalidRequest(f"workers must be at least 1, got {workers}")
    request = _request(dataset, np.asarray(indices, np.int64), view, max_pixels)
    folder = CacheFolder(directory)
    with folder.lock(request.key):
        if (cache := _open(folder, request.key, hit=True)) is not None:
            if not _readable_now(cache, dataset):
                return cache
            cache.close()
        _make(folder, request, limit_bytes, workers or usable_cores(), progress)
        if (cache := _open(folder, request.key, hit=False)) is not None:
            return cache
    raise StorageFailed(f"the image cache in {directory} was cleared while it was being used; run this again")


def entries(directory: Path) -> tuple[Entry, ...]:
    """The entries below `directory`, the most recently used first.

    The description of each has "view" (text), "root" (the folder of the images), "images", "side" and "problems".
    """
    return CacheFolder(directory).entries()


def clear(directory: Path, keys: Collection[str] | None = None) -> tuple[Entry, ...]:
    """Remove the entries `keys` (all when None), except those in use; returns the removed. `NotFound` if unknown."""
    return CacheFolder(directory).remove(keys)


def _request(dataset: Dataset, indices: NDArray[np.int64], view: View, max_pixels: int) -> _Request:
    root = os.fsencode(dataset.root.absolute())
    family = hashlib.sha256(b"\0".join((f"{FORMAT} {view.name} {max_pixels}".encode(), root))).hexdigest()
    identities = np.array([_identity(dataset, int(index)) for index in indices], dtype=ROW["identity"])
    rows = hashlib.sha256(family.encode() + identities.tobytes()).hexdigest()
    key = f"{family[:FAMILY_LETTERS]}{rows[:32]}"
    return _Request(dataset, indices, view, max_pixels, identities, key)


def _identity(dataset: Dataset, index: int) -> bytes:
    told = f"{dataset.sizes[index]} {dataset.mtimes[index]} {dataset.paths[index]}"
    return hashlib.blake2b(told.encode("utf-8", "surrogateescape"), digest_size=16).digest()


def _open(folder: CacheFolder, key: str, *, hit: bool) -> ImageCache | None:
    held = folder.hold(key)
    if held is None:
        return None
    try:
        return ImageCache(held, key, hit)
    except (OSError, ValueError, KeyError, IndexError, TypeError, EOFError):      # damaged from outside: build it again
        held.close()
        return None


def _readable_now(cache: ImageCache, dataset: Dataset) -> bool:
    """True when a file that could not be read then can be read now (a permission does not change its time)."""
    unread = (problem.path for problem in cache.problems if problem.reason.startswith(UNREADABLE))
    return any(os.access(dataset.root / path, os.R_OK) for path in unread)


def _make(folder: CacheFolder, request: _Request, limit_bytes: int, workers: int, progress: Progress | None) -> None:
    count, shape = len(request.indices), request.view.shape
    rows = Rows(count)
    with ExitStack() as stack:
        lenders = [stack.enter_context(cache) for cache in _lenders(folder, request)]
        folder.make_room(count * math.prod(shape), limit_bytes)
        scratch = stack.enter_context(folder.building(request.key))
        pixels = allocate(scratch / PIXELS, shape, count)
        stack.callback(pixels.close)
        missing = _borrow(request, lenders, pixels, rows)
        Decoding(request.file, request.view, request.max_pixels, pixels, rows).run(missing, workers, progress)
        _describe(scratch, request, rows)


def _describe(scratch: Path, request: _Request, rows: Rows) -> None:
    description = {
        "view": request.view.name,
        "root": str(request.dataset.root.absolute()),
        "images": len(rows.ok),
        "side": request.view.size,
        "problems": [[request.path(row), rows.reasons[row]] for row in sorted(rows.reasons)],
    }
    table = np.empty(len(rows.ok), ROW)
    table["ok"], table["aspect"], table["identity"] = rows.ok, rows.aspect, request.identities
    with atomic_file(scratch / ROWS) as stream:
        np.save(stream, table)
    # In ASCII, because the name of a folder that is not UTF-8 (surrogates) can be escaped but not encoded.
    write_bytes(scratch / ENTRY, json.dumps(description, indent=1).encode())


def _lenders(folder: CacheFolder, request: _Request) -> Iterator[ImageCache]:
    """The sound entries of the same view of the same folder, the most recently used first."""
    for entry in folder.entries():
        if entry.key.startswith(request.family) and entry.key != request.key:
            cache = _open(folder, entry.key, hit=True)
            if cache is not None:
                yield cache


def _borrow(request: _Request, lenders: Sequence[ImageCache], pixels: ArrayFile, rows: Rows) -> NDArray[np.int64]:
    """Copy the rows that a lender has; returns those that none has."""
    missing = np.arange(len(request.indices))
    for lender in lenders:
        found = lender.lookup(request.identities[missing])
        for row, theirs in zip(missing[found >= 0].tolist(), found[found >= 0].tolist(), strict=True):
            pixels.write(row, lender.row(theirs))
            rows.ok[row], rows.aspect[row] = True, lender.aspect[theirs]
        missing = missing[found < 0]
    return missing
