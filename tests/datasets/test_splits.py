"""What is set aside: how much, by which draw, and that it stays so."""

from __future__ import annotations

import csv
import multiprocessing
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tintype.datasets.dataset import TEST, TRAIN, VALID, Dataset, Index, PathTable
from tintype.datasets.folder import open_dataset
from tintype.datasets.split_record import UNDECIDED, SplitRecord
from tintype.datasets.splits import Shares, carve, complete, same_content, split_named
from tintype.errors import BadData, InvalidRequest

SHARES = Shares(0.15, 0.15)


def listed(**classes: int) -> Dataset:
    """A data set of files that are not there, each of a size of its own."""
    index = Index()
    for name, count in classes.items():
        for number in range(count):
            index.add(f"{name}/{number:03d}.jpg", name, TRAIN, 1000 + len(index), 0)
    return index.finish(Path("/nowhere"), "class folders", [])


def by_path(dataset: Dataset) -> dict[str, int]:
    return dict(zip(dataset.paths, dataset.splits.tolist(), strict=True))


def record_in(tmp_path: Path, seed: int = 0) -> SplitRecord:
    return SplitRecord(tmp_path / "splits.csv", seed)


# shares


@pytest.mark.parametrize(
    ("count", "valid", "test"),
    [(1, 0, 0), (2, 0, 0), (3, 1, 0), (4, 1, 1), (5, 1, 1), (10, 2, 2), (100, 15, 15), (1000, 150, 150)],
)
def test_how_many_are_set_aside(count: int, valid: int, test: int) -> None:
    assert SHARES.of(count) == (valid, test)


@given(st.integers(1, 500), st.floats(0, 0.99), st.floats(0, 0.99))
def test_train_always_gets_some(count: int, valid: float, test: float) -> None:
    if valid + test < 1:
        aside = Shares(valid, test).of(count)
        assert min(aside) >= 0
        assert sum(aside) < count
        assert (aside[0] > 0) == (valid > 0 and count >= 3)


@pytest.mark.parametrize(("valid", "test"), [(-0.1, 0.1), (0.5, 0.5), (0, 1)])
def test_shares_that_leave_nothing(valid: float, test: float) -> None:
    with pytest.raises(InvalidRequest, match="together less than 1"):
        Shares(valid, test)


def test_names_of_splits() -> None:
    names = ("Train", "seg-test", "Val", "predictions", "ants")
    assert [split_named(name) for name in names] == [0, 2, 1, 3, None]


# the draw


def test_the_shares_are_exact_in_every_class(tmp_path: Path) -> None:
    assert complete(listed(ants=100, bees=40, wasps=3, moths=1), SHARES, record_in(tmp_path)).counts() == {
        "train": {"ants": 70, "bees": 28, "moths": 1, "wasps": 2},
        "valid": {"ants": 15, "bees": 6, "moths": 0, "wasps": 1},
        "test": {"ants": 15, "bees": 6, "moths": 0, "wasps": 0},
    }


def test_the_seed_decides(tmp_path: Path) -> None:
    draws = [
        by_path(complete(listed(ants=50), SHARES, SplitRecord(tmp_path / f"{number}.csv", seed)))
        for number, seed in enumerate([0, 0, 1])
    ]
    assert draws[0] == draws[1] != draws[2]


def test_the_draw_is_the_same_on_every_machine(tmp_path: Path) -> None:
    dataset = complete(listed(ants=20), SHARES, record_in(tmp_path))
    assert dataset.indices("valid").tolist() == [14, 16, 17]
    assert dataset.indices("test").tolist() == [1, 2, 10]


def contents(count: int) -> st.SearchStrategy[list[int]]:
    return st.lists(st.integers(0, 20), min_size=count, max_size=count)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.booleans()), min_size=1, max_size=60), st.data())
def test_what_is_decided_stays(rows: list[tuple[int, bool]], data: st.DataObject) -> None:
    labels = np.array([label for label, _ in rows], dtype=np.int32)
    decided = np.array([data.draw(st.integers(0, 2)) if known else UNDECIDED for _, known in rows], dtype=np.uint8)
    _, first, content = np.unique(data.draw(contents(len(rows))), return_index=True, return_inverse=True)
    twins = first[content]
    keys = np.random.default_rng(0).permutation(len(rows)).astype(np.uint64)
    splits = carve(keys, labels, decided, twins, SHARES)
    assert set(splits.tolist()) <= {TRAIN, VALID, TEST}
    assert (splits[decided != UNDECIDED] == decided[decided != UNDECIDED]).all()
    for twin in np.unique(twins[decided == UNDECIDED]):              # a new file goes where a twin of it is
        together = twins == twin
        assert set(splits[together].tolist()) <= set(splits[together & (decided != UNDECIDED)].tolist()) or (
            len(set(splits[together].tolist())) == 1
        )


def test_a_file_added_later_moves_none(tmp_path: Path) -> None:
    before = by_path(complete(listed(ants=20, bees=2), SHARES, record_in(tmp_path)))
    grown = complete(listed(ants=60, bees=9, moths=5), SHARES, record_in(tmp_path))
    after = by_path(grown)
    assert {path: after[path] for path in before} == before
    assert grown.counts()["valid"] == {"ants": 9, "bees": 1, "moths": 1}


def test_a_file_that_comes_back_has_its_old_split(tmp_path: Path) -> None:
    before = by_path(complete(listed(ants=20), SHARES, record_in(tmp_path)))
    complete(listed(ants=10, bees=3), SHARES, record_in(tmp_path))
    assert by_path(complete(listed(ants=20), SHARES, record_in(tmp_path))) == before


# files with the same content


def test_copies_stay_together(tmp_path: Path) -> None:
    for number in range(40):
        content = f"content {number // 4:02d}"                       # ten contents, four copies of each
        (tmp_path / "ants").mkdir(exist_ok=True)
        (tmp_path / f"ants/{number}.jpg").write_text(content)
    dataset = open_dataset(tmp_path / "ants/..", workdir=tmp_path / "work")
    places: dict[str, set[int]] = {}
    for index in range(len(dataset)):
        places.setdefault(dataset.file(index).read_text(), set()).add(int(dataset.splits[index]))
    assert len(places) == 10
    assert all(len(splits) == 1 for splits in places.values())
    assert set().union(*places.values()) == {TRAIN, VALID, TEST}


def test_same_content_compares_only_equal_sizes(tmp_path: Path) -> None:
    index = Index()
    for name, content in {"a": "12", "b": "12", "c": "13", "d": "123", "e": "", "f": ""}.items():
        (tmp_path / name).write_text(content)
        index.add(name, "x", TRAIN, len(content), 0)
    index.add("gone", "x", TRAIN, 2, 0)
    assert same_content(index.finish(tmp_path, "class folders", [])).tolist() == [0, 0, 2, 3, 4, 5, 6]


def test_a_copy_added_later_joins_its_twin(tmp_path: Path) -> None:
    root = tmp_path / "photos"
    for number in range(20):
        (root / "ants").mkdir(parents=True, exist_ok=True)
        (root / f"ants/{number}.jpg").write_text(f"content {number}")
    first = open_dataset(root, workdir=tmp_path / "work")
    kept = first.paths[int(first.indices("test")[0])]
    (root / "ants/000 copy.jpg").write_bytes((root / kept).read_bytes())
    second = open_dataset(root, workdir=tmp_path / "work")
    assert by_path(second)["ants/000 copy.jpg"] == by_path(first)[kept] == TEST


# the record


def test_the_record_is_a_manifest_that_people_can_read(tmp_path: Path) -> None:
    dataset = complete(listed(ants=4), SHARES, record_in(tmp_path))
    with (tmp_path / "splits.csv").open(newline="") as stream:
        lines = list(csv.DictReader(stream))
    assert [line["path"] for line in lines] == list(dataset.paths)
    assert sorted(line["split"] for line in lines) == ["test", "train", "train", "valid"]


def test_people_may_correct_the_record(tmp_path: Path) -> None:
    complete(listed(ants=4), SHARES, record_in(tmp_path))
    file = tmp_path / "splits.csv"
    file.write_text("path,label,split\n" + "".join(f"ants/00{number}.jpg,ants,valid\n" for number in range(3)))
    assert complete(listed(ants=4), SHARES, record_in(tmp_path)).counts()["valid"] == {"ants": 3}
    file.write_text("path,label,split\nants/000.jpg,ants,sometimes\n")
    with pytest.raises(BadData, match=r"splits.csv, line 2: expected path,label,split; correct it, or delete"):
        complete(listed(ants=4), SHARES, record_in(tmp_path))


@settings(max_examples=30, deadline=None)
@given(st.sets(st.text(st.characters(exclude_categories=["Cs"]), min_size=1), min_size=1, max_size=10))
def test_the_record_keeps_names_of_all_kinds(tmp_path_factory: pytest.TempPathFactory, names: set[str]) -> None:
    index = Index()
    for name in names:
        index.add(name, 'a, "b"', VALID, 1, 0)
    dataset = index.finish(Path("/nowhere"), "class folders", [])
    record = record_in(tmp_path_factory.mktemp("record"))
    record.write(dataset, record.keys(dataset.paths))
    assert (record.read(record.keys(dataset.paths)) == VALID).all()
    assert record.read(record.keys(PathTable.of(["a name that is not there"]))).tolist() == [UNDECIDED]


def _draw(arguments: tuple[Path, int]) -> dict[str, int]:
    tmp_path, count = arguments
    return by_path(complete(listed(ants=count), SHARES, record_in(tmp_path)))


def test_two_processes_draw_the_same(tmp_path: Path) -> None:
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        draws = pool.map(_draw, [(tmp_path, 40), (tmp_path, 30)] * 3, chunksize=1)
    merged: dict[str, set[int]] = {}
    for draw in draws:
        for path, split in draw.items():
            merged.setdefault(path, set()).add(split)
    assert len(merged) == 40
    assert all(len(splits) == 1 for splits in merged.values())


def test_what_could_not_be_set_aside_is_not_said_to_be(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        (tmp_path / "photos" / name / "1.jpg").write_text(name)
    (note,) = open_dataset(tmp_path / "photos", workdir=tmp_path / "work").notes
    assert note == "no class has 3 images, so none could be set aside to validate with"
    for number in "23":
        (tmp_path / "photos" / "a" / f"{number}.jpg").write_text(f"a{number}")
    (note,) = open_dataset(tmp_path / "photos", workdir=tmp_path / "work").notes
    assert note.startswith("set aside of each class: 15% as valid (seed 0")
