"""The data sets of the zoo: a few hundred small images each, split and normalised as a careful person would.

All are float32, N×C×H×W, of mean about 0 and deviation about 1 over the training split; labels are int64.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits

from benchmarks.measuring import SHARED

Array = np.ndarray


@dataclass(frozen=True)
class Images:
    """One data set. `train` and `valid` are float32 N×C×H×W; the labels int64 in 0 .. classes - 1."""

    train: Array
    train_labels: Array
    valid: Array
    valid_labels: Array
    classes: int

    def with_train(self, images: Array, labels: Array) -> Images:
        """The same with another training split."""
        return replace(self, train=images, train_labels=labels)


def normalised(images: Images) -> Images:
    """Per channel, by the training split's own mean and deviation."""
    mean = images.train.mean((0, 2, 3), keepdims=True)
    deviation = images.train.std((0, 2, 3), keepdims=True) + 1e-6
    return replace(images, train=(images.train - mean) / deviation, valid=(images.valid - mean) / deviation)


def split(pictures: Array, labels: Array, valid_share: float = 0.3) -> Images:
    """Shuffle and cut in two, with a seed of its own."""
    order = np.random.default_rng(7).permutation(len(labels))
    cut = int(len(order) * (1 - valid_share))
    train, valid = order[:cut], order[cut:]
    pictures, labels = pictures.astype(np.float32), labels.astype(np.int64)
    return Images(pictures[train], labels[train], pictures[valid], labels[valid], int(labels.max()) + 1)


@functools.cache
def digits() -> Images:
    """1,797 scanned digits, 1×8×8, ten classes (UCI, through scikit-learn)."""
    pictures, labels = load_digits(return_X_y=True)
    return normalised(split(np.asarray(pictures).reshape(-1, 1, 8, 8) / 16.0, np.asarray(labels)))


@functools.cache
def large_digits() -> Images:
    """The same digits, each pixel doubled: 1×16×16."""
    small = digits()
    return replace(small, train=doubled(small.train), valid=doubled(small.valid))


def doubled(pictures: Array) -> Array:
    """Each pixel as a 2×2 square."""
    return pictures.repeat(2, axis=2).repeat(2, axis=3)


@functools.cache
def shapes() -> Images:
    """900 drawings of four shapes in two random colours each, 3×16×16, with noise; made, so never too few."""
    rng = np.random.default_rng(3)
    labels = np.arange(900) % 4
    return normalised(split(np.stack([draw(int(label), rng) for label in labels]), labels))


def draw(shape: int, rng: np.random.Generator, size: int = 16) -> Array:
    """One drawing, 3×size×size in 0..1: a disc, a square, a cross or a ring."""
    y, x = np.mgrid[:size, :size] - rng.uniform(size * 0.4, size * 0.6, (2, 1, 1))
    radius = rng.uniform(size * 0.22, size * 0.36)
    distance = np.hypot(x, y)
    inside = (
        distance < radius,
        np.maximum(abs(x), abs(y)) < radius * 0.85,
        (np.minimum(abs(x), abs(y)) < radius * 0.3) & (np.maximum(abs(x), abs(y)) < radius),
        abs(distance - radius) < radius * 0.3,
    )[shape]
    ground, ink = rng.uniform(0, 0.45, 3), rng.uniform(0.55, 1, 3)
    picture = np.where(inside, ink[:, None, None], ground[:, None, None])
    return picture + rng.normal(0, 0.05, picture.shape)


@functools.cache
def cifar(names: tuple[str, ...], per_class: int = 200) -> Images:
    """Some classes of CIFAR-10 at 3×32×32; valid is 100 of each class (its valid and test folders)."""
    folder = SHARED / "cifar10-small"
    train = [folder_of_images(folder / "train" / name, 32, per_class) for name in names]
    valid = [
        np.concatenate([folder_of_images(folder / part / name, 32) for part in ("valid", "test")]) for name in names
    ]
    return normalised(labelled(train, valid))


@functools.cache
def vehicles_and_animals() -> Images:
    """CIFAR-10 as two easy classes: ships and trucks against deer and frogs."""
    four = cifar(("ship", "truck", "deer", "frog"))
    return replace(four, train_labels=four.train_labels // 2, valid_labels=four.valid_labels // 2, classes=2)


@functools.cache
def hymenoptera(size: int = 32) -> Images:
    """244 and 153 photographs of ants and bees, squeezed to 3×size×size."""
    folder = SHARED / "hymenoptera"
    parts = [[folder_of_images(folder / part / name, size) for name in ("ants", "bees")] for part in ("train", "val")]
    return normalised(labelled(*parts))


def labelled(train: Sequence[Array], valid: Sequence[Array]) -> Images:
    """Classes in the order given."""
    labels = [np.repeat(np.arange(len(part)), [len(one) for one in part]) for part in (train, valid)]
    return Images(np.concatenate(train), labels[0], np.concatenate(valid), labels[1], len(train))


def folder_of_images(folder: Path, size: int, most: int | None = None) -> Array:
    """The first images by name, float32 N×3×size×size in 0..1; files that are no images are passed over."""
    paths = [path for path in sorted(folder.iterdir()) if path.suffix in {".jpg", ".jpeg", ".png"}]
    return np.stack([pixels(path, size) for path in paths[:most]])


def pixels(path: Path, size: int) -> Array:
    """One image."""
    with Image.open(path) as image:
        image.draft("RGB", (2 * size, 2 * size))
        small = image.convert("RGB").resize((size, size), Image.Resampling.BILINEAR)
    return np.asarray(small, dtype=np.float32).transpose(2, 0, 1) / 255


@functools.cache
def patterns(classes: int = 5, count: int = 800, strength: float = 1.0) -> Images:
    """A smooth pattern of each class, 3×24×24, under noise."""
    rng = np.random.default_rng(21)
    coarse = rng.normal(0, strength, (classes, 3, 6, 6)).repeat(4, axis=2).repeat(4, axis=3)
    labels = rng.integers(0, classes, count)
    return normalised(split(coarse[labels] + rng.normal(0, 1, (count, 3, 24, 24)), labels))


@functools.cache
def gratings(count: int = 900, angles: int = 6) -> Images:
    """Stripes of some angle, phase and width, 1×28×28, under noise."""
    rng = np.random.default_rng(22)
    labels = np.arange(count) % angles
    y, x = np.mgrid[:28, :28]
    made = []
    for label in labels:
        angle = np.pi * (label + rng.uniform(-0.2, 0.2)) / angles
        wave = np.sin((x * np.cos(angle) + y * np.sin(angle)) * rng.uniform(0.5, 0.9) + rng.uniform(0, 2 * np.pi))
        made.append(wave[None] + rng.normal(0, 0.4, (1, 28, 28)))
    return normalised(split(np.stack(made), labels))


def nothing() -> Images:
    """Of a script that brings its own images."""
    none, labels = np.zeros((0, 1, 1, 1), np.float32), np.zeros(0, np.int64)
    return Images(none, labels, none, labels, 0)


FOUR = ("airplane", "automobile", "frog", "horse")

IMAGE_SETS: dict[str, Callable[[], Images]] = {
    "digits": digits,
    "large digits": large_digits,
    "shapes": shapes,
    "vehicles and animals": vehicles_and_animals,
    "cifar, 4 classes": functools.partial(cifar, FOUR),
    "cifar, 4 classes, few": functools.partial(cifar, FOUR, 25),
    "patterns": patterns,
    "gratings": gratings,
    "its own": nothing,
    "hymenoptera": hymenoptera,
    "hymenoptera, 48 pixels": functools.partial(hymenoptera, 48),
}
