"""The record of which file was put into which split: a CSV that people can read, and that is itself a manifest."""

from __future__ import annotations

import csv
import hashlib
import unicodedata
from array import array
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import final

import numpy as np
from numpy.typing import NDArray

from tintype.datasets.dataset import SPLITS, Dataset, PathTable
from tintype.errors import BadData
from tintype.storage import atomic_file, exclusive_lock

UNDECIDED = 255                              # the split of a file that the record does not know
HEADER = ["path", "label", "split"]
RECORDED = SPLITS[:3]

Splits = NDArray[np.uint8]


@final
@dataclass(frozen=True)
class SplitRecord:
    """The decisions at `path`, drawn with `seed`. Files are told apart by the hash of path and seed, 8 bytes each,
    so that reading the record of a large data set takes little memory. Hold `locked` around read and write.
    """

    path: Path
    seed: int

    def locked(self) -> AbstractContextManager[None]:
        """One process at a time. Raises `StorageFailed`."""
        return exclusive_lock(self.path.with_suffix(".lock"))

    def keys(self, paths: PathTable) -> NDArray[np.uint64]:
        """(n,) the hash of each path and the seed: also the order in which files are drawn."""
        return np.fromiter((self._key(path) for path in paths), np.uint64, len(paths))

    def read(self, keys: NDArray[np.uint64]) -> Splits:
        """(n,) the split of each key, or UNDECIDED. `BadData` naming the line when the record is damaged."""
        known, splits = array("Q"), array("B")
        for path, _, split in self._lines():
            known.append(self._key(path))
            splits.append(SPLITS.index(split))
        if not known:
            return np.full(len(keys), UNDECIDED, dtype=np.uint8)
        recorded = np.array(known, dtype=np.uint64)
        order = np.argsort(recorded)
        at = np.minimum(np.searchsorted(recorded, keys, sorter=order), len(order) - 1)
        found = order[at]
        return np.where(recorded[found] == keys, np.array(splits, dtype=np.uint8)[found], np.uint8(UNDECIDED))

    def write(self, dataset: Dataset, keys: NDArray[np.uint64]) -> None:
        """Record the splits of `dataset`, and keep those of files that are gone: they may come back."""
        recorded = np.fromiter((self._key(path) for path, _, _ in self._lines()), np.uint64)
        is_gone = np.isin(recorded, keys, invert=True)
        with atomic_file(self.path) as stream:
            stream.write(_line(*HEADER))
            for path, label, split in zip(dataset.paths, dataset.labels, dataset.splits, strict=True):
                stream.write(_line(path, dataset.classes[label], SPLITS[split]))
            for gone, line in zip(is_gone, self._lines(), strict=True):
                if gone:
                    stream.write(_line(*line))

    def _key(self, path: str) -> int:
        name = unicodedata.normalize("NFC", path).encode()
        return int.from_bytes(hashlib.blake2b(name, digest_size=8, key=str(self.seed).encode()).digest(), "big")

    def _lines(self) -> Iterator[tuple[str, str, str]]:
        if not self.path.exists():
            return
        line = 0
        try:
            with self.path.open(encoding="utf-8", newline="") as stream:
                for line, cells in enumerate(csv.reader(stream), start=1):
                    if line > 1:
                        path, label, split = cells
                        yield path, label, RECORDED[RECORDED.index(split)]
        except (ValueError, csv.Error) as error:           # UnicodeError is a ValueError
            reason = f"the record of splits {self.path}, line {line}: expected path,label,split"
            raise BadData(f"{reason}; correct it, or delete the file to draw again") from error


def _line(*cells: str) -> bytes:
    quoted = ('"' + cell.replace('"', '""') + '"' if set(cell) & set('",\r\n') else cell for cell in cells)
    return (",".join(quoted) + "\n").encode()
