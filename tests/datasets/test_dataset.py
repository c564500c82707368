"""The index: packed paths, counts, subsets, fingerprints."""

from __future__ import annotations

import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tintype.datasets.dataset import NO_LABEL, SPLITS, TEST, TRAIN, UNLABELLED, VALID, Dataset, Index, PathTable
from tintype.errors import InvalidRequest


def small(root: Path = Path("/data")) -> Dataset:
    index = Index()
    index.add("wasps/2.jpg", "wasps", TRAIN, 20, 200)
    index.add("ants/1.jpg", "ants", TRAIN, 10, 100)
    index.add("ants/3.jpg", "ants", VALID, 30, 300)
    index.add("pred/4.jpg", None, TEST, 40, 400)
    return index.finish(root, "class folders", ["a note"])


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]))))
def test_a_path_table_is_the_list_it_was_made_of(paths: list[str]) -> None:
    table = PathTable.of(paths)
    assert list(table) == paths
    assert [table[index] for index in range(-len(paths), 0)] == paths
    assert list(table[::-2]) == paths[::-2]


def test_a_path_table_has_an_end() -> None:
    table = PathTable.of(["a"])
    for index in (1, -2):
        with pytest.raises(IndexError):
            table[index]


def test_a_path_table_takes_its_letters_and_eight_bytes_each() -> None:
    table = PathTable.of(f"{number:010d}" for number in range(1000))
    assert table.nbytes == 1000 * 10 + 1001 * 8


def test_files_are_in_the_order_of_their_paths_and_classes_are_sorted() -> None:
    dataset = small()
    assert list(dataset.paths) == ["ants/1.jpg", "ants/3.jpg", "pred/4.jpg", "wasps/2.jpg"]
    assert dataset.classes == ("ants", "wasps")
    assert dataset.labels.tolist() == [0, 0, NO_LABEL, 1]
    assert dataset.splits.tolist() == [TRAIN, VALID, UNLABELLED, TRAIN]
    assert dataset.sizes.tolist() == [10, 30, 40, 20]
    assert dataset.file(1) == Path("/data/ants/3.jpg")


def test_counts_name_every_class_and_only_the_splits_that_are_there() -> None:
    assert small().counts() == {
        "train": {"ants": 1, "wasps": 1},
        "valid": {"ants": 1, "wasps": 0},
        "unlabelled": {"": 1},
    }


def test_indices_of_a_split() -> None:
    assert {split: small().indices(split).tolist() for split in SPLITS} == {
        "train": [0, 3],
        "valid": [1],
        "test": [],
        "unlabelled": [2],
    }
    with pytest.raises(InvalidRequest, match=r"'dev'.*train, valid, test, unlabelled"):
        small().indices("dev")


def test_a_subset_keeps_order_and_classes() -> None:
    part = small().subset([3, 0])
    assert list(part.paths) == ["wasps/2.jpg", "ants/1.jpg"]
    assert part.labels.tolist() == [1, 0]
    assert part.classes == ("ants", "wasps")
    assert len(small().subset([])) == 0


def test_the_fingerprint_changes_with_the_files_and_not_with_the_place() -> None:
    dataset = small()
    assert small(Path("/elsewhere")).fingerprint == dataset.fingerprint
    changes = [
        replace(dataset, sizes=dataset.sizes + 1),
        replace(dataset, mtimes=dataset.mtimes + 1),
        replace(dataset, labels=np.roll(dataset.labels, 1)),
        replace(dataset, splits=np.roll(dataset.splits, 1)),
        replace(dataset, classes=("ants", "bees")),
        dataset.subset([0, 1, 3, 2]),
    ]
    assert len({one.fingerprint for one in [dataset, *changes]}) == 7


def test_a_dataset_travels_to_another_process() -> None:
    assert pickle.loads(pickle.dumps(small())).fingerprint == small().fingerprint
