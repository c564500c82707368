"""What is in a data set and what is wrong with it: `tintype data check`, and the first page of the report."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from tintype.cores import usable_cores
from tintype.datasets import duplicates
from tintype.datasets.dataset import NO_LABEL, SPLITS, TRAIN, UNLABELLED, VALID, Dataset
from tintype.datasets.images import FORMATS, MAX_PIXELS
from tintype.datasets.inspection import Inspection, Progress, Trait, inspect
from tintype.datasets.problems import KINDS, MOST_NAMED, DataProblem

FEW_IMAGES = 20                    # in train, per class
IMBALANCE = 3.0                    # largest class to smallest, in train
UNUSUAL_SHARE = 0.01               # a format that so few files have ...
USUAL_SHARE = 0.95                 # ... where so many have another
PERCENTILES = (0, 5, 50, 95, 100)
BETWEEN_WORDS = str.maketrans(" -", "__")


@final
@dataclass(frozen=True)
class CheckReport:
    """The findings. Problems are in the order of `KINDS`, the gravest first."""

    layout: str
    classes: tuple[str, ...]
    images: int                                        # files in the index, the unusable ones too
    usable: int                                        # those that could be decoded
    splits: dict[str, dict[str, int]]                  # {split: {class: files}}
    usable_splits: dict[str, dict[str, int]]           # {split: {class: files that could be decoded}}
    formats: dict[str, int]                            # {format: files}, the commonest first
    sizes: dict[str, dict[int, int]]                   # {"width" | "height" (pixels) | "bytes": {percentile: value}}
    problems: tuple[DataProblem, ...]
    notes: tuple[str, ...]                             # what the reader of the folder decided

    def to_json(self) -> dict[str, Any]:
        """The whole report; JSON turns the percentiles, which are keys, into text."""
        return {
            "layout": self.layout,
            "classes": list(self.classes),
            "images": self.images,
            "usable": self.usable,
            "splits": self.splits,
            "usable_splits": self.usable_splits,
            "formats": self.formats,
            "sizes": {what: {f"p{key}": value for key, value in each.items()} for what, each in self.sizes.items()},
            "problems": [problem.to_json() for problem in self.problems],
            "notes": list(self.notes),
        }


def check(
    dataset: Dataset, *, max_pixels: int = MAX_PIXELS, workers: int | None = None, progress: Progress | None = None
) -> CheckReport:
    """Read every file of `dataset` (with as many threads as there are cores unless `workers` says otherwise) and
    report what is wrong. Bad data is what this is for, so none of it raises. `progress` is told (done, all).
    """
    inspection = inspect(dataset, max_pixels=max_pixels, workers=workers or usable_cores(), progress=progress)
    usable = dataset.subset(np.flatnonzero(inspection.readable)).counts()
    found = [
        *_of_files(dataset, inspection),
        *_of_classes(dataset, usable),
        *_of_duplicates(dataset, inspection),
    ]
    order = list(KINDS)
    return CheckReport(
        layout=dataset.layout,
        classes=dataset.classes,
        images=len(dataset),
        usable=int(inspection.readable.sum()),
        splits=dataset.counts(),
        usable_splits=usable,
        formats=_formats(inspection),
        sizes=_sizes(dataset, inspection),
        problems=tuple(sorted(found, key=lambda problem: order.index(problem.kind))),
        notes=dataset.notes,
    )


def _of_files(dataset: Dataset, inspection: Inspection) -> Iterator[DataProblem]:
    """Faults and peculiarities of single files."""
    for kind in dict.fromkeys(fault.kind for fault in inspection.faults.values()):
        positions = sorted(position for position, fault in inspection.faults.items() if fault.kind == kind)
        details = [f"{dataset.paths[one]}: {inspection.faults[one].reason}" for one in positions[:MOST_NAMED]]
        yield _problem(kind, dataset, positions, details)
    for trait in Trait:
        positions = np.flatnonzero((inspection.traits & trait).astype(bool) & inspection.readable).tolist()
        if positions:
            kind = str(trait.name).lower().replace("_", "-")
            details = [f"{dataset.paths[one]}: {_described(inspection, one)}" for one in positions[:MOST_NAMED]]
            yield _problem(kind, dataset, positions, details)
    unusual = _unusual(inspection)
    if unusual:
        details = [f"{dataset.paths[one]}: {_described(inspection, one)}" for one in unusual[:MOST_NAMED]]
        yield _problem("unusual-format", dataset, unusual, details)


def _of_classes(dataset: Dataset, counts: Mapping[str, Mapping[str, int]]) -> Iterator[DataProblem]:
    """What the numbers of usable images say."""
    if len(dataset.classes) < 2:
        only = ", ".join(dataset.classes) or "none"
        yield DataProblem("single-class", len(dataset.classes), details=(f"classes found: {only}",))
    wanted = {TRAIN, VALID, *np.unique(dataset.splits).tolist()} - {UNLABELLED}     # training needs the first two
    present = [SPLITS[position] for position in sorted(wanted)]
    holes = [
        f"the class {name!r} has no usable image in {split}"
        for split in present
        for name in dataset.classes
        if not counts.get(split, {}).get(name)
    ]
    if holes:
        yield DataProblem("missing-class", len(holes), details=tuple(holes[:MOST_NAMED]))
    alike = [" and ".join(map(repr, names)) for names in _spelt_alike(dataset.classes)]
    if alike:
        details = tuple(f"the classes {one}" for one in alike[:MOST_NAMED])
        yield DataProblem("similar-classes", len(alike), details=details)
    train = {name: count for name, count in counts.get("train", {}).items() if count}
    few = [
        f"the class {name!r} has {_images(count)} to train on" for name, count in train.items() if count < FEW_IMAGES
    ]
    if few:
        yield DataProblem("few-images", len(few), details=tuple(few[:MOST_NAMED]))
    if train and max(train.values()) > IMBALANCE * min(train.values()):
        most, least = max(train, key=train.__getitem__), min(train, key=train.__getitem__)
        detail = f"{most!r} has {_images(train[most])} to train on, {least!r} has {train[least]}"
        small = sum(IMBALANCE * count < train[most] for count in train.values())
        yield DataProblem("imbalance", small, details=(detail,))


def _images(count: int) -> str:
    return f"{count} image{'' if count == 1 else 's'}"


def _spelt_alike(classes: Iterable[str]) -> list[list[str]]:
    """Groups of names that differ only in capitals, or in having blanks, hyphens or underscores between words."""
    groups: dict[str, list[str]] = {}
    for name in classes:
        groups.setdefault(name.strip().casefold().translate(BETWEEN_WORDS), []).append(name)
    return [names for names in groups.values() if len(names) > 1]


def _of_duplicates(dataset: Dataset, inspection: Inspection) -> Iterator[DataProblem]:
    """The same content, and the same look, inside a split and across."""
    usable = np.flatnonzero(inspection.readable)
    exact = [usable[group] for group in duplicates.exact(inspection.digests[usable])]
    copies = [position for group in exact for position in group[1:].tolist()]
    visible = inspection.readable & (inspection.traits & Trait.BLANK == 0)
    visible[copies] = False
    looks = np.flatnonzero(visible)
    alike = duplicates.near(inspection.hashes[looks], inspection.thumbnails[looks], dataset.labels[looks])
    near = [looks[group] for group in alike]
    for kind, groups in (("duplicate", exact), ("near-duplicate", near)):
        across = [len(set(dataset.splits[group].tolist())) > 1 for group in groups]
        inside = [group for group, is_across in zip(groups, across, strict=True) if not is_across]
        leaks = [group for group, is_across in zip(groups, across, strict=True) if is_across]
        yield from _grouped(kind, dataset, inside)
        yield from _grouped(f"{kind}-across-splits", dataset, leaks)
    conflicts = [group for group in (*exact, *near) if len(set(dataset.labels[group].tolist()) - {NO_LABEL}) > 1]
    yield from _grouped("label-conflict", dataset, conflicts)


def _grouped(kind: str, dataset: Dataset, groups: list[NDArray[np.int64]]) -> Iterator[DataProblem]:
    if groups:
        shown = [group.tolist()[:MOST_NAMED] for group in groups[:MOST_NAMED]]
        members = [position for group in groups for position in group.tolist()]
        details = [" = ".join(f"{dataset.paths[one]} ({_place(dataset, one)})" for one in group) for group in shown]
        named = tuple(tuple(dataset.paths[one] for one in group) for group in shown)
        yield _problem(kind, dataset, members, details, named)


def _place(dataset: Dataset, position: int) -> str:
    split, label = SPLITS[dataset.splits[position]], int(dataset.labels[position])
    return split if label == NO_LABEL else f"{split}, {dataset.classes[label]}"


def _problem(
    kind: str,
    dataset: Dataset,
    positions: list[int],
    details: Iterable[str],
    groups: tuple[tuple[str, ...], ...] = (),
) -> DataProblem:
    files = tuple(dataset.paths[one] for one in positions[:MOST_NAMED])
    return DataProblem(kind, len(positions), files, tuple(details), groups)


def _described(inspection: Inspection, position: int) -> str:
    form = FORMATS[inspection.formats[position]]
    return f"{form}, {inspection.widths[position]} x {inspection.heights[position]} pixels"


def _unusual(inspection: Inspection) -> list[int]:
    """Files of a format that hardly any other has, where nearly all have the same."""
    formats = inspection.formats[inspection.formats >= 0]
    counts = np.bincount(formats, minlength=len(FORMATS))
    if not len(formats) or counts.max() < USUAL_SHARE * len(formats):
        return []
    rare = np.flatnonzero(counts <= UNUSUAL_SHARE * len(formats))
    return np.flatnonzero(np.isin(inspection.formats, rare)).tolist()


def _formats(inspection: Inspection) -> dict[str, int]:
    counts = np.bincount(inspection.formats[inspection.formats >= 0], minlength=len(FORMATS))
    return {FORMATS[one]: int(counts[one]) for one in np.argsort(-counts, kind="stable") if counts[one]}


def _sizes(dataset: Dataset, inspection: Inspection) -> dict[str, dict[int, int]]:
    known = inspection.widths > 0
    columns = {"width": inspection.widths[known], "height": inspection.heights[known], "bytes": dataset.sizes[known]}
    return {
        name: dict(zip(PERCENTILES, map(int, np.percentile(column, PERCENTILES, method="nearest")), strict=True))
        for name, column in columns.items()
        if len(column)
    }
