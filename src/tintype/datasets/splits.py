"""Which images are set aside for validation and for the test.

Within each class the files are put in the order of a hash of their path and the seed, and the first ones are set
aside: so the shares are exact, and the same on every machine. What was decided is recorded beside the work, in a CSV
that is itself a manifest, and a file that has been given a split never leaves it, whatever is added or removed later.

Files with the same content stay on the same side. Only files of equal size can have it, and of those just the first
`HEAD_BYTES` are compared: taking two pictures for one does no harm here, and reading whole files would.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from tintype.datasets.dataset import SPLITS, TEST, TRAIN, VALID, Dataset
from tintype.datasets.split_record import UNDECIDED, SplitRecord, Splits
from tintype.errors import InvalidRequest

HEAD_BYTES = 16 * 1024
FEWEST_FOR_VALID = 3              # a class with fewer images trains with all of them
FEWEST_FOR_TEST = 4

# split -> the names that folders and cells use for it, in lower case
SPLIT_NAMES: dict[str, tuple[str, ...]] = {
    "train": ("train", "training", "seg_train", "train_set", "trainset"),
    "valid": ("valid", "val", "validation", "validate", "dev", "seg_val", "seg_valid"),
    "test": ("test", "testing", "seg_test", "test_set", "testset", "holdout"),
    "unlabelled": ("unlabelled", "unlabeled", "pred", "predict", "prediction", "predictions", "seg_pred"),
}
_SPLIT_OF = {name: SPLITS.index(split) for split, names in SPLIT_NAMES.items() for name in names}


@dataclass(frozen=True)
class Shares:
    """How much of each class to set aside."""

    valid: float = 0.15
    test: float = 0.15

    def __post_init__(self) -> None:
        if min(self.valid, self.test) < 0 or self.valid + self.test >= 1:
            asked = f"valid_fraction={self.valid}, test_fraction={self.test}"
            raise InvalidRequest(f"{asked}: both must be at least 0 and together less than 1, as some must train")

    def of(self, count: int) -> tuple[int, int]:
        """(valid, test) images to set aside of `count`: at least one each where there are enough, never all."""
        valid = max(round(count * self.valid), int(self.valid > 0 and count >= FEWEST_FOR_VALID))
        test = max(round(count * self.test), int(self.test > 0 and count >= FEWEST_FOR_TEST))
        if count < FEWEST_FOR_VALID:
            return 0, 0
        test = min(test, max(0, count - 1 - valid))
        return min(valid, count - 1), test


def split_named(name: str) -> int | None:
    """The position in SPLITS that a folder's or a cell's name stands for, or None."""
    return _SPLIT_OF.get(name.strip().lower().replace("-", "_").replace(" ", "_"))


def complete(dataset: Dataset, shares: Shares, record: SplitRecord) -> Dataset:
    """`dataset` with a valid split, and a test split where there was neither, carved out of train.

    A data set that has a valid split is returned as it is. Several processes may do this at once.
    Raises `BadData` for a record that somebody damaged, and `StorageFailed`.
    """
    present = set(np.unique(dataset.splits).tolist())
    if TEST in present:
        shares = replace(shares, test=0.0)
    if VALID in present or TRAIN not in present or not (shares.valid or shares.test):
        return dataset
    trained = dataset.subset(dataset.indices("train"))
    with record.locked():
        keys = record.keys(trained.paths)
        decided = record.read(keys)
        if (decided == UNDECIDED).any():
            decided = carve(keys, trained.labels, decided, same_content(trained), shares)
            record.write(replace(trained, splits=decided), keys)
    splits = dataset.splits.copy()
    splits[dataset.indices("train")] = decided
    asked = ((VALID, shares.valid), (TEST, shares.test))
    carved = [f"{share:.0%} as {SPLITS[split]}" for split, share in asked if (decided == split).any()]
    note = f"set aside of each class: {' and '.join(carved)} (seed {record.seed}; recorded in {record.path})"
    none = f"no class has {FEWEST_FOR_VALID} images, so none could be set aside to validate with"
    return replace(dataset, splits=splits, notes=(*dataset.notes, note if carved else none))


def carve(
    keys: NDArray[np.uint64], labels: NDArray[np.int32], decided: Splits, twins: NDArray[np.int64], shares: Shares
) -> Splits:
    """A split for every file (n,): those `decided` keep theirs, the UNDECIDED are drawn, class by class.

    `keys` (n,) is the order of the draw; `twins` (n,) gives for each file the first one of the same content, whose
    split all of them share.
    """
    splits = decided.copy()
    leaders = _leaders(decided, twins)
    for label in np.unique(labels):
        own = np.flatnonzero((labels == label) & (leaders == np.arange(len(labels))))
        wanted = dict(zip((VALID, TEST), shares.of(len(own)), strict=True))
        drawn = own[splits[own] == UNDECIDED]
        drawn = drawn[np.argsort(keys[drawn], kind="stable")]
        for split, count in wanted.items():
            spare = len(drawn) - int(not (splits[own] == TRAIN).any())      # one is for train, whatever the shares
            missing = max(0, min(spare, count - int((splits[own] == split).sum())))
            splits[drawn[:missing]] = split
            drawn = drawn[missing:]
        splits[drawn] = TRAIN
    followers = splits == UNDECIDED
    splits[followers] = splits[leaders[followers]]
    return splits


def same_content(dataset: Dataset) -> NDArray[np.int64]:
    """For each file (n,) the position of the first that has the same size and the same head."""
    sizes = dataset.sizes
    _, group, occurrences = np.unique(sizes, return_inverse=True, return_counts=True)
    twins = np.arange(len(sizes), dtype=np.int64)
    candidates = np.flatnonzero((occurrences[group] > 1) & (sizes > 0))
    hashes = np.fromiter((_head_hash(dataset, int(one)) for one in candidates), np.uint64, len(candidates))
    _, first, inverse = np.unique(hashes, return_index=True, return_inverse=True)
    twins[candidates] = candidates[first[inverse]]
    return twins


def _leaders(decided: Splits, twins: NDArray[np.int64]) -> NDArray[np.int64]:
    """For each file the one whose split it takes: among twins the first that has a split, or just the first.

    A file that has a split leads itself.
    """
    first = np.arange(len(twins), dtype=np.int64)
    settled = np.flatnonzero(decided != UNDECIDED)
    first[twins[settled][::-1]] = settled[::-1]          # of several the last assignment stands: the lowest position
    leaders = first[twins]
    leaders[settled] = settled
    return leaders


def _head_hash(dataset: Dataset, index: int) -> int:
    digest = hashlib.blake2b(int(dataset.sizes[index]).to_bytes(8, "big"), digest_size=8)
    try:
        descriptor = os.open(os.path.join(dataset.root, dataset.paths[index]), os.O_RDONLY)
        try:
            digest.update(os.read(descriptor, HEAD_BYTES))
        finally:
            os.close(descriptor)
    except OSError:
        digest.update(dataset.paths[index].encode())      # like nobody else
    return int.from_bytes(digest.digest(), "big")
