"""What names a sample, as far as its data set tells; and the batches of loaders."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch.utils.data import ConcatDataset, DataLoader, IterableDataset, Subset, TensorDataset

from tintype.debugger.capture_loaders import LoaderWatch
from tintype.debugger.samples import sample_id, sample_ids


class Folder:
    """Like `ImageFolder`."""

    samples = [("a/0.png", 0), ("b/1.png", 1), ("c/2.png", 2)]      # noqa: RUF012

    def __len__(self) -> int:
        return 3


class Wrapped:
    """Transforms another data set."""

    def __init__(self, dataset: object) -> None:
        self.dataset = dataset

    def __len__(self) -> int:
        return 3


def test_paths_are_found_through_what_wraps_a_folder() -> None:
    folder = Folder()
    assert sample_id(folder, 1) == "b/1.png"
    assert sample_id(Subset(folder, [2, 0]), 0) == "c/2.png"                                # type: ignore[arg-type]
    assert sample_id(Subset(folder, torch.tensor([2, 0])), 1) == "a/0.png"                  # type: ignore[arg-type]
    assert sample_id(ConcatDataset([folder, folder]), 4) == "b/1.png"                       # type: ignore[list-item]
    assert sample_id(Wrapped(folder), 2) == "c/2.png"


def test_without_a_path_the_index_names_a_sample() -> None:
    assert sample_ids(TensorDataset(torch.zeros(3)), [2, 0]) == ["2", "0"]
    assert sample_id(None, "word") == "word"
    assert sample_id(Folder(), 99) == "99"
    itself = Wrapped(None)
    itself.dataset = itself
    assert sample_id(itself, 1) == "1"                          # and does not go on for ever


def test_pathlib_paths_and_lists_of_paths() -> None:
    class Files:
        paths = [Path("x.png"), Path("y.png")]      # noqa: RUF012

    assert sample_id(Files(), 1) == "y.png"


@pytest.fixture
def watch() -> Iterator[LoaderWatch]:
    one = LoaderWatch()
    one.start()
    yield one
    one.stop()


@pytest.mark.parametrize("workers", [0, 1])
def test_batches_in_the_order_in_which_they_come(watch: LoaderWatch, workers: int) -> None:
    data = TensorDataset(torch.arange(10))
    loader = DataLoader(data, 4, shuffle=True, num_workers=workers, persistent_workers=bool(workers))
    for _ in range(2):
        for (values,) in loader:
            assert watch.ids(len(values)) == [str(int(one)) for one in values]


def test_a_batch_is_given_once_and_only_to_its_size(watch: LoaderWatch) -> None:
    (values,) = next(iter(DataLoader(TensorDataset(torch.arange(6)), 3)))
    assert watch.ids(2) == []
    assert watch.ids(3) == ["0", "1", "2"]
    assert watch.ids(3) == []
    assert len(values) == 3


def test_loaders_without_indices_or_without_batches(watch: LoaderWatch) -> None:
    class Stream(IterableDataset[int]):
        def __iter__(self) -> Iterator[int]:
            return iter(range(4))

    next(iter(DataLoader(Stream(), 2)))
    assert watch.ids(2) == []
    next(iter(DataLoader(TensorDataset(torch.arange(6)), None)))
    assert watch.ids(1) == ["0"]
