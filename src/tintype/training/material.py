"""The material of a job: its data set, decoded, with bad files set aside. What the trials of a tuning job share."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from tintype.datasets import image_cache
from tintype.datasets.dataset import Dataset
from tintype.datasets.folder import open_dataset, refuse_one_class
from tintype.datasets.image_cache import ImageCache, View
from tintype.datasets.transforms import Preprocessing
from tintype.datasets.usable import refuse_too_little
from tintype.errors import BadData
from tintype.training.events import Event, Note, Quarantined, Warning
from tintype.training.image_size import SMALL_CNN, automatic_size, source_side, typical_side
from tintype.training.phases import Emit, Phases
from tintype.training.plan import TrainingPlan
from tintype.training.remembered import Remembered

Colours = tuple[tuple[float, float, float], tuple[float, float, float]]     # mean and standard deviation, of 0..1

COLOUR_SAMPLE = 2000        # pictures that the colours of a data set are measured on
ANY_COLOURS: Colours = ((0.5, 0.5, 0.5), (0.25, 0.25, 0.25))     # for those who only want the images decoded
RANDOM = "none"             # the weights of a network that nobody has trained
NAMED_FILES = 5             # bad files named in a message


@final
@dataclass(frozen=True, eq=False)
class Split:
    """The n usable images of one split; `rows`, `labels` and `indices` are parallel, (n,) int64."""

    name: str
    cache: ImageCache
    rows: NDArray[np.int64]         # rows of `cache.images`
    labels: NDArray[np.int64]       # positions in `Dataset.classes`
    indices: NDArray[np.int64]      # positions in the data set

    def __len__(self) -> int:
        return len(self.rows)


@final
@dataclass(frozen=True, eq=False)
class Material:
    """The splits, and the preprocessing that evaluation and serving share."""

    dataset: Dataset
    preprocessing: Preprocessing
    train: Split                    # whole pictures when they will be cropped, see `image_cache.View`
    valid: Split                    # this and `test` as `preprocessing` makes them
    test: Split | None
    quarantined: tuple[Quarantined, ...]

    @property
    def splits(self) -> tuple[Split, ...]:
        """train, valid and, when there is one, test."""
        return (self.train, self.valid) if self.test is None else (self.train, self.valid, self.test)

    def train_files(self, positions: NDArray[np.int64]) -> list[str]:
        """The paths of the training images at `positions`."""
        return [str(self.dataset.file(int(index))) for index in self.train.indices[positions]]


def open_material(
    plan: TrainingPlan, pretrained_colours: Colours | None, strided: bool, phases: Phases, emit: Emit
) -> Material:
    """Read the folder, decode what no cache holds yet, set bad files aside, measure the colours.

    `pretrained_colours` are those the weights were trained with; None means: those of the training images.
    `strided` is true for networks that need images of at least 64 pixels.
    Raises `BadData` when a split has no usable image, or when a file is bad and the plan is strict.
    """
    with phases("read the folder"):
        dataset = open_data(plan)
        facts = Remembered(plan.remembered)
        typical = facts.take("typical side", {"images": dataset.fingerprint}, lambda: typical_side(dataset))
    for note in dataset.notes:
        emit(Note(note))
    size = plan.network.image_size or automatic_size(
        typical, pretrained=pretrained_colours is not None, strided=strided
    )
    neutral = Preprocessing(size=size, resize=plan.network.resize, mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))
    finished = View.evaluation(neutral)             # uint8: the colours are not in it
    whole = View.source(source_side(size, typical))
    with phases("decode the images"):
        train = _open_split(plan, dataset, "train", whole if plan.augmentation.crops else finished, phases)
        valid = _open_split(plan, dataset, "valid", finished, phases)
        test = _open_split(plan, dataset, "test", finished, phases)
    quarantined = _quarantine(plan, dataset, (train, valid, test), emit)
    mean, std = pretrained_colours or _colours_of(plan, train)
    preprocessing = Preprocessing(size=size, resize=plan.network.resize, mean=mean, std=std)
    return Material(dataset, preprocessing, train, valid, test if len(test) else None, quarantined)


def decode_ahead(plan: TrainingPlan, most_images: int) -> None:
    """Decode what a job of `plan` will want to find decoded, in silence, unless there are more images than that.

    Raises as `open_material` does.
    """
    if len(open_data(plan)) > most_images:
        return
    name, weights = plan.network.name, plan.network.weights
    has_weights = weights != RANDOM if name != SMALL_CNN else weights not in (RANDOM, None)
    open_material(plan, ANY_COLOURS if has_weights else None, name != SMALL_CNN, Phases(_to_nobody), _to_nobody)


def _to_nobody(event: Event) -> None:
    """Whoever uses the material will be told the same."""


def _colours_of(plan: TrainingPlan, split: Split) -> Colours:
    key = {"images": split.cache.key, "rows": hashlib.sha256(split.rows.tobytes()).hexdigest()}
    mean, std = Remembered(plan.remembered).take("colours", key, lambda: measure_colours(split))
    return tuple(mean), tuple(std)


def measure_colours(split: Split) -> Colours:
    """Mean and standard deviation of red, green and blue, in 0..1, over an even sample of `split`."""
    rows = split.rows[np.linspace(0, len(split) - 1, min(COLOUR_SAMPLE, len(split))).astype(np.int64)]
    total, squares, pixels = np.zeros(3), np.zeros(3), 0
    for row in np.sort(rows):
        image = split.cache.row(int(row)).reshape(-1, 3).astype(np.float32) / 255.0
        total += image.sum(axis=0, dtype=np.float64)
        squares += np.square(image).sum(axis=0, dtype=np.float64)
        pixels += len(image)
    mean = total / pixels
    std = np.maximum(np.sqrt(np.maximum(squares / pixels - mean**2, 0.0)), 1 / 255)   # one flat colour has none
    red, green, blue = (round(float(value), 4) for value in mean)
    red_std, green_std, blue_std = (round(float(value), 4) for value in std)
    return (red, green, blue), (red_std, green_std, blue_std)


def open_data(plan: TrainingPlan, named: str = "") -> Dataset:
    """The data set of a plan. `BadData` for one class, in which it is called what a person has `named` it."""
    data = plan.data
    dataset = open_dataset(
        data.location,
        workdir=plan.data_workdir,
        seed=data.split_seed,
        valid_fraction=data.valid_fraction,
        test_fraction=data.test_fraction,
    )
    refuse_one_class(dataset, named or data.location)
    return dataset


def _open_split(plan: TrainingPlan, dataset: Dataset, name: str, view: View, phases: Phases) -> Split:
    indices = dataset.indices(name)
    cache = image_cache.build(
        dataset,
        indices,
        view,
        directory=plan.image_cache,
        limit_bytes=plan.settings.cache_limit_bytes,
        max_pixels=plan.settings.max_image_pixels,
        workers=plan.compute.threads or None,
        progress=phases.progress(f"decode {name}"),
    )
    rows = np.flatnonzero(cache.ok)
    usable = indices[rows]
    return Split(name, cache, rows, dataset.labels[usable].astype(np.int64), usable)


def _quarantine(
    plan: TrainingPlan, dataset: Dataset, splits: tuple[Split, Split, Split], emit: Emit
) -> tuple[Quarantined, ...]:
    bad = tuple(Quarantined(problem.path, problem.reason) for split in splits for problem in split.cache.problems)
    named = "; ".join(f"{one.path}: {one.reason}" for one in bad[:NAMED_FILES])
    more = f"; and {len(bad) - NAMED_FILES} more" if len(bad) > NAMED_FILES else ""
    if bad and plan.data.strict:
        raise BadData(f"{len(bad)} files cannot be used ({named}{more}); remove them, or train without --strict")
    if bad:
        emit(Warning(f"{len(bad)} files are set aside and not trained on: {named}{more}"))
    refuse_too_little({split.name: _counts(dataset, split) for split in splits}, plan.data.location)
    train = splits[0]
    missing = np.flatnonzero(np.bincount(train.labels, minlength=len(dataset.classes)) == 0)
    if len(missing):
        names = ", ".join(dataset.classes[index] for index in missing[:NAMED_FILES])
        emit(Warning(f"{len(missing)} classes have no training image and cannot be learned: {names}"))
    return bad


def _counts(dataset: Dataset, split: Split) -> dict[str, int]:
    counts = np.bincount(split.labels, minlength=len(dataset.classes))
    return dict(zip(dataset.classes, counts.tolist(), strict=True))
