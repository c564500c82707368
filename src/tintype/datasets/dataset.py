"""The index of a data set: which files there are, of which class, in which split. It holds no pixels."""

from __future__ import annotations

import hashlib
import unicodedata
from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import final, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tintype.errors import InvalidRequest

SPLITS = ("train", "valid", "test", "unlabelled")      # `Dataset.splits` holds positions in this tuple
TRAIN, VALID, TEST, UNLABELLED = range(len(SPLITS))
NO_LABEL = -1                                          # the label of exactly those files that are in "unlabelled"
MISSING_SIZE = -1                                      # the size of a file that is listed but not there


@final
class PathTable(Sequence[str]):
    """Many paths in one block of bytes: 8 bytes per path beside its letters, whatever their number."""

    def __init__(self, packed: bytes, offsets: array[int]) -> None:
        """`packed` holds the names one after the other, `offsets` (n + 1) where each begins and where the last ends."""
        self._packed = packed
        self._offsets = offsets

    @classmethod
    def of(cls, paths: Iterable[str]) -> PathTable:
        """A table of `paths` in their order."""
        return _packed(path.encode() for path in paths)

    def __len__(self) -> int:
        return len(self._offsets) - 1

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> PathTable: ...
    def __getitem__(self, index: int | slice) -> str | PathTable:
        if isinstance(index, slice):
            return self.take(range(*index.indices(len(self))))
        if not -len(self) <= index < len(self):
            raise IndexError(f"path {index} of {len(self)}")
        return self._name(index % len(self)).decode()

    def __iter__(self) -> Iterator[str]:
        return (self._packed[start:end].decode() for start, end in pairwise(self._offsets))

    def __repr__(self) -> str:
        return f"PathTable({len(self)} paths, {self.nbytes:,} bytes)"

    def take(self, indices: Iterable[int] | NDArray[np.int64]) -> PathTable:
        """The paths at `indices`, in that order."""
        return _packed(self._name(int(index)) for index in indices)

    def order(self) -> NDArray[np.int64]:
        """(n,) the positions of the paths as they follow in the alphabet (of code points)."""
        return np.array(sorted(range(len(self)), key=self._name), dtype=np.int64)

    @property
    def nbytes(self) -> int:
        """Memory taken, in bytes."""
        return len(self._packed) + len(self._offsets) * self._offsets.itemsize

    def update(self, digest: hashlib._Hash) -> None:
        """Feed all names and their boundaries to `digest`."""
        digest.update(self._offsets.tobytes())
        digest.update(self._packed)

    def _name(self, position: int) -> bytes:
        return self._packed[self._offsets[position] : self._offsets[position + 1]]


def _packed(names: Iterable[bytes]) -> PathTable:
    packed, offsets = bytearray(), array("q", [0])
    for name in names:
        packed += name
        offsets.append(len(packed))
    return PathTable(bytes(packed), offsets)


@final
@dataclass(frozen=True, eq=False)
class Dataset:
    """n files below one folder. The arrays are parallel: position i is one file in all of them.

    A label is a position in `classes`. Labels are `NO_LABEL` exactly where the split is "unlabelled".
    A file that a manifest lists and that is not there has size `MISSING_SIZE`; `checks` reports it and the image
    cache quarantines it. Two data sets are the same when their `fingerprint` is.
    """

    root: Path                       # local folder that `paths` are relative to
    layout: str                      # for people: "class folders", "train/valid/test", "manifest csv", ...
    classes: tuple[str, ...]         # sorted
    paths: PathTable                 # (n,) relative to `root`, with forward slashes
    labels: NDArray[np.int32]        # (n,) positions in `classes`, or NO_LABEL
    splits: NDArray[np.uint8]        # (n,) positions in SPLITS
    sizes: NDArray[np.int64]         # (n,) bytes
    mtimes: NDArray[np.int64]        # (n,) nanoseconds since 1970
    notes: tuple[str, ...] = ()      # what the reader decided, one sentence each

    def __len__(self) -> int:
        return len(self.paths)

    def file(self, index: int) -> Path:
        """Where file `index` is on this machine."""
        return self.root / self.paths[index]

    def indices(self, split: str) -> NDArray[np.int64]:
        """Positions of the files of `split`, ascending. `InvalidRequest` when there is no such split."""
        return np.flatnonzero(self.splits == _position(split))

    def counts(self) -> dict[str, dict[str, int]]:
        """{split: {class: images}} for the splits that have images; classes without any there count 0.

        Images of "unlabelled" are counted under the empty class name.
        """
        return {split: self._count(position) for position, split in enumerate(SPLITS) if position in self.splits}

    def subset(self, indices: ArrayLike) -> Dataset:
        """The data set of the files at `indices` alone, in that order, with the same classes."""
        chosen = np.asarray(indices, dtype=np.int64)
        return replace(
            self,
            paths=self.paths.take(chosen),
            labels=self.labels[chosen],
            splits=self.splits[chosen],
            sizes=self.sizes[chosen],
            mtimes=self.mtimes[chosen],
        )

    @cached_property
    def fingerprint(self) -> str:
        """Hex SHA-256 of classes, paths, sizes, times, labels and splits. It does not depend on where `root` is."""
        digest = hashlib.sha256("\0".join(self.classes).encode())
        self.paths.update(digest)
        for column in (self.sizes, self.mtimes, self.labels, self.splits):
            digest.update(np.ascontiguousarray(column).tobytes())
        return digest.hexdigest()

    def _count(self, split: int) -> dict[str, int]:
        inside = self.splits == split
        if split == UNLABELLED:
            return {"": int(inside.sum())}
        counts = np.bincount(self.labels[inside], minlength=len(self.classes))
        return dict(zip(self.classes, counts.tolist(), strict=True))


@final
class Index:
    """A data set while it is being read: columns that grow, at about 30 bytes per file beside its name."""

    def __init__(self) -> None:
        self._packed = bytearray()
        self._offsets = array("q", [0])
        self._labels, self._splits = array("i"), array("B")
        self._sizes, self._mtimes = array("q"), array("q")
        self._classes: dict[str, int] = {}               # class name -> order of first appearance

    def __len__(self) -> int:
        return len(self._splits)

    def add(self, path: str, label: str | None, split: int, size: int, mtime: int) -> None:
        """Add one file; without a label it goes to "unlabelled", and a file of "unlabelled" loses its label."""
        if label is None or split == UNLABELLED:
            number, split = NO_LABEL, UNLABELLED
        else:
            # "é" may be one letter or two, depending on which system wrote the folder's name.
            number = self._classes.setdefault(unicodedata.normalize("NFC", label), len(self._classes))
        self._packed += path.encode()
        self._offsets.append(len(self._packed))
        self._labels.append(number)
        self._splits.append(split)
        self._sizes.append(size)
        self._mtimes.append(mtime)

    def has_split(self, *splits: int) -> bool:
        """True when a file was added to one of `splits`."""
        return any(split in self._splits for split in splits)

    def finish(self, root: Path, layout: str, notes: Sequence[str]) -> Dataset:
        """The data set, its files in the order of their paths, its classes sorted."""
        classes = tuple(sorted(self._classes))
        position = {name: number for number, name in enumerate(classes)}
        renumber = np.array([*(position[name] for name in self._classes), NO_LABEL], dtype=np.int32)
        paths = PathTable(bytes(self._packed), self._offsets)
        order = paths.order()
        return Dataset(
            root=root,
            layout=layout,
            classes=classes,
            paths=paths.take(order),
            labels=renumber[np.array(self._labels, dtype=np.int32)[order]],     # NO_LABEL picks the last entry
            splits=np.array(self._splits, dtype=np.uint8)[order],
            sizes=np.array(self._sizes, dtype=np.int64)[order],
            mtimes=np.array(self._mtimes, dtype=np.int64)[order],
            notes=tuple(notes),
        )


def _position(split: str) -> int:
    if split not in SPLITS:
        raise InvalidRequest(f"there is no split {split!r}; the splits are {', '.join(SPLITS)}")
    return SPLITS.index(split)
