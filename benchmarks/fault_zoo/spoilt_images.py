"""What goes wrong with data: each function takes a healthy data set and gives a broken one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from benchmarks.fault_zoo.images import Images


def few(images: Images, count: int) -> Images:
    """Only `count` training images, evenly taken: little data, which is not yet a fault."""
    taken = np.linspace(0, len(images.train) - 1, count).astype(int)
    return images.with_train(images.train[taken], images.train_labels[taken])


def shuffled_labels(images: Images, share: float = 1.0) -> Images:
    """A share of the training labels drawn anew, wrong ones only."""
    rng = np.random.default_rng(1)
    labels = images.train_labels.copy()
    chosen = rng.permutation(len(labels))[: round(share * len(labels))]
    labels[chosen] = (labels[chosen] + rng.integers(1, images.classes, len(chosen))) % images.classes
    return images.with_train(images.train, labels)


def rolled_labels(images: Images) -> Images:
    """Each image has the label of the one before it: an off-by-one in the file list."""
    return images.with_train(images.train, np.roll(images.train_labels, 1))


def shifted_valid_labels(images: Images) -> Images:
    """Classes counted from 0 in one split and from 1 in the other."""
    return replace(images, valid_labels=(images.valid_labels + 1) % images.classes)


def swapped_labels(images: Images, first: int, second: int, share: float) -> Images:
    """A share of one class carries the label of another, as when two annotators disagree."""
    labels = images.train_labels.copy()
    members = np.flatnonzero(labels == first)
    labels[members[: round(share * len(members))]] = second
    return images.with_train(images.train, labels)


def mostly_one_class(images: Images, share: float = 0.95) -> Images:
    """The first class is `share` of the training split."""
    labels = images.train_labels
    first, others = np.flatnonzero(labels == 0), np.flatnonzero(labels != 0)
    kept = np.concatenate([first, others[: max(1, round(len(first) * (1 - share) / share))]])
    return images.with_train(images.train[kept], labels[kept])


def without_class(images: Images, missing: int) -> Images:
    """A class that is judged but never trained."""
    kept = images.train_labels != missing
    return images.with_train(images.train[kept], images.train_labels[kept])


def rare_class(images: Images, rare: int, count: int) -> Images:
    """One class has only `count` training images."""
    members = np.flatnonzero(images.train_labels == rare)
    return drop(images, members[count:])


def drop(images: Images, indices: np.ndarray) -> Images:
    """Without these training images."""
    return images.with_train(np.delete(images.train, indices, 0), np.delete(images.train_labels, indices))


def sorted_by_class(images: Images) -> Images:
    """In the order of a folder listing."""
    order = np.argsort(images.train_labels, kind="stable")
    return images.with_train(images.train[order], images.train_labels[order])


def bytes_not_normalised(images: Images) -> Images:
    """Pixels from 0 to 255, as they come out of the file."""
    low, high = images.train.min(), images.train.max()
    return replace(
        images, train=(images.train - low) / (high - low) * 255, valid=(images.valid - low) / (high - low) * 255
    )


def normalised_twice(images: Images) -> Images:
    """ImageNet's mean and deviation taken off pixels that were normalised already."""
    return replace(images, train=(images.train - 0.45) / 0.225, valid=(images.valid - 0.45) / 0.225)


def valid_not_normalised(images: Images) -> Images:
    """The training transform normalises; that of validation forgot to."""
    return replace(images, valid=bytes_not_normalised(images).valid)


def constant(images: Images) -> Images:
    """Every image the same: a decoder that gives up without a word."""
    return replace(images, train=np.zeros_like(images.train), valid=np.zeros_like(images.valid))


def first_image_everywhere(images: Images) -> Images:
    """An index that never advances: each training image is the first one, with its own label."""
    return images.with_train(np.broadcast_to(images.train[:1], images.train.shape).copy(), images.train_labels)


def one_bad_pixel(images: Images, value: float, index: int = 100) -> Images:
    """One pixel of one training image is NaN or infinite."""
    train = images.train.copy()
    train[index, 0, 3, 3] = value
    return images.with_train(train, images.train_labels)


def leaked(images: Images, share: float = 1.0) -> Images:
    """A share of the validation split is training images."""
    rng = np.random.default_rng(2)
    count = round(share * len(images.valid))
    copied = rng.permutation(len(images.train))[:count]
    valid, labels = images.valid.copy(), images.valid_labels.copy()
    valid[: len(copied)], labels[: len(copied)] = images.train[copied], images.train_labels[copied]
    return replace(images, valid=valid, valid_labels=labels)
