"""Features on the disk: one float32 matrix per view of a split, computed once and shared by all processes.

    <folder>/<key>/features.bin     float32 (n, dim), row i is image i of the split
    <folder>/<key>/entry.json       what it is

The folder keeps entries as the image cache's does: built by one process at a time, whole or not there, the least
recently used ones removed when space is short. A matrix that was half done when its builder died is not used; the next
builder goes on where it ended. float16 would halve the files at an error of 0.06 % of what tells images apart; the
files are small beside the decoded images (2 KB an image for ResNet-18), so they hold what was computed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from tintype.datasets.array_file import ArrayFile, allocate
from tintype.datasets.cache_folder import ENTRY, CacheFolder, Held
from tintype.errors import NotFound
from tintype.storage import read_json, write_json

FEATURES, DONE = "features.bin", "done.json"
FLOAT_BYTES = 4
SAVE_SECONDS = 2.0          # a killed builder loses no more than this

Rows = NDArray[np.float32]  # (n, dim)


@final
@dataclass(frozen=True, eq=False)
class FeatureMatrix:
    """An entry that is in use, and stays where it is as long as this object lives."""

    rows: Rows              # (n, dim), a read-only memory map
    precision: str          # in which numbers it was computed: fp32, bf16, fp16 or int8
    held: Held


@final
@dataclass(frozen=True)
class MatrixRequest:
    """Which matrix, and what a person listing the cache sees of it."""

    key: str
    images: int
    dim: int
    precision: str
    description: Mapping[str, Any]

    @property
    def bytes(self) -> int:
        """On the disk."""
        return self.images * self.dim * FLOAT_BYTES


def find(directory: Path, request: MatrixRequest) -> FeatureMatrix | None:
    """The matrix when it is there, else None."""
    held = CacheFolder(directory).hold(request.key)
    if held is None:
        return None
    file = ArrayFile(held.path / FEATURES, (request.dim * FLOAT_BYTES,), request.images)
    if not file.is_whole:
        held.close()
        return None
    return FeatureMatrix(file.rows.view(np.float32), request.precision, held)


def build(
    directory: Path, request: MatrixRequest, compute: Callable[[int], Iterable[Rows]], *, limit_bytes: int
) -> FeatureMatrix:
    """The matrix, computed now unless somebody else has done it meanwhile.

    `compute(first)` yields the rows from `first` on, in pieces. When it raises, what it yielded is kept for the next
    attempt. Raises `TooLarge` when the matrix alone is over the limit, `StorageFailed` when the disk is full.
    """
    folder = CacheFolder(directory)
    with folder.lock(request.key):
        if (found := find(directory, request)) is not None:
            return found
        folder.make_room(request.bytes, limit_bytes)
        with folder.building(request.key, resume=True) as scratch:
            _fill(scratch, request, compute)
            entry = {**request.description, "images": request.images, "dim": request.dim}
            write_json(scratch / ENTRY, {**entry, "precision": request.precision})
        built = find(directory, request)
    if built is None:
        raise NotFound(f"the features in {directory} were removed as soon as they were computed; run this again")
    return built


def _fill(scratch: Path, request: MatrixRequest, compute: Callable[[int], Iterable[Rows]]) -> None:
    file, done = _open(scratch, request)
    saved_at = time.perf_counter()
    try:
        for rows in compute(done):
            for row in np.ascontiguousarray(rows).view(np.uint8):
                file.write(done, row)
                done += 1
            if time.perf_counter() - saved_at > SAVE_SECONDS:
                _save(scratch, file, done)
                saved_at = time.perf_counter()
    finally:
        _save(scratch, file, done)
        file.close()
    (scratch / DONE).unlink()


def _open(scratch: Path, request: MatrixRequest) -> tuple[ArrayFile, int]:
    """The file, and how many of its rows are done."""
    path, shape = scratch / FEATURES, (request.dim * FLOAT_BYTES,)
    if (scratch / DONE).exists():
        file = ArrayFile(path, shape, request.images, writable=True)
        if file.is_whole:
            return file, int(read_json(scratch / DONE))
        file.close()
    path.unlink(missing_ok=True)
    return allocate(path, shape, request.images), 0


def _save(scratch: Path, file: ArrayFile, done: int) -> None:
    file.sync()
    write_json(scratch / DONE, done)
