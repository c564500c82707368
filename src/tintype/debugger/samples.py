"""Which samples a step was made of, so that a finding can show the very images behind it.

In the log they are strings and numbers under names of their own, all in the order of the batch:

    samples/ids             what names each sample: its path where the data set knows one, else its index
    samples/losses          the loss of each, unweighted
    samples/labels          the class each was said to be
    samples/predictions     the likeliest class
    samples/fingerprints    N×4 numbers that tell images apart, when the collection fingerprints is saved
    samples/training        how many trainings of other networks came before, at the first step of each but the first
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import PurePath
from typing import Any

IDS, LOSSES, LABELS, PREDICTIONS = "samples/ids", "samples/losses", "samples/labels", "samples/predictions"
FINGERPRINTS = "samples/fingerprints"
TRAINING = "samples/training"

PATH_LISTS = ("samples", "imgs", "paths", "files", "image_paths", "_image_files")   # as data sets of images call them
DEEPEST = 16

Names = Callable[[], Sequence[str]]
LISTENERS: list[Callable[[Names], None]] = []       # who wants to know what a batch is made of


def announce(names: Names) -> None:
    """Say what names the samples of the batch that is about to enter a network, in their order.

    For a training that has no `DataLoader` to be watched. `names` is called only when somebody wants to know.
    """
    for hear in LISTENERS:
        hear(names)


def sample_id(dataset: Any, index: Any, depth: int = 0) -> str:
    """What names sample `index` of a data set: a path, where one can be found without reading the sample."""
    if depth > DEEPEST or not isinstance(index, int):
        return str(index)
    if (indices := getattr(dataset, "indices", None)) is not None and hasattr(dataset, "dataset"):      # a Subset
        return sample_id(dataset.dataset, _item(indices, index), depth + 1)
    if (ends := getattr(dataset, "cumulative_sizes", None)) is not None and hasattr(dataset, "datasets"):
        number = next((n for n, end in enumerate(ends) if index < end), len(ends) - 1)      # a ConcatDataset
        return sample_id(dataset.datasets[number], index - (ends[number - 1] if number else 0), depth + 1)
    for name in PATH_LISTS:
        if (path := _path(getattr(dataset, name, None), index)) is not None:
            return path
    inner = getattr(dataset, "dataset", None)
    return sample_id(inner, index, depth + 1) if inner is not None and len_of(inner) == len_of(dataset) else str(index)


def sample_ids(dataset: Any, indices: Iterable[Any]) -> list[str]:
    """`sample_id` of each."""
    return [sample_id(dataset, index) for index in indices]


def len_of(dataset: Any) -> int:
    """The length of a data set, -1 when it has none."""
    try:
        return len(dataset)
    except TypeError:
        return -1


def _item(indices: Sequence[Any], index: int) -> Any:
    found = indices[index]
    return int(found) if hasattr(found, "__int__") else found


def _path(listed: Any, index: int) -> str | None:
    if not isinstance(listed, Sequence) or isinstance(listed, str) or not -len(listed) <= index < len(listed):
        return None
    entry = listed[index]
    first = entry[0] if isinstance(entry, tuple) and entry else entry
    return str(first) if isinstance(first, str | PurePath) else None
