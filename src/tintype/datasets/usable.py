"""Whether the images that can be read are enough to train a classifier on, and to tell how good it is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice

from tintype.datasets.dataset import Dataset
from tintype.datasets.images import MAX_PIXELS, decode, read_image_file
from tintype.errors import BadData, InvalidRequest

LEAST_CLASSES = 2                   # to train on
NEEDED = {"train": LEAST_CLASSES, "valid": 1}       # splits without which there is no training -> classes in them
DECODED_SIDE = 64                   # enough to read a picture to its end


def refuse_too_little(counts: Mapping[str, Mapping[str, int]], location: str) -> None:
    """`BadData` when no usable image is there to train on or to validate with, or when those to train on are all of one
    class. `counts` has split -> class -> usable images.
    """
    for split in NEEDED:
        if not any(counts.get(split, {}).values()):
            hint = "; three images of a class are enough for one to be set aside" if split == "valid" else ""
            raise BadData(f"{location} has no usable image in its {split} split; add some{hint}")
    present = [name for name, count in counts["train"].items() if count]
    if len(present) < LEAST_CLASSES:
        only = f"has usable images of one class only, {present[0]!r}, to train on"
        raise BadData(f"{location} {only}; a classifier needs at least two, each in a folder of its own")


def refuse_unusable(dataset: Dataset, location: str, *, max_pixels: int = MAX_PIXELS) -> None:
    """Raise as `refuse_too_little` does once all images are read, with what is wrong with the first. No more are read
    than it takes to know: three of a set that will do, unless the first ones are damaged.
    """
    faults: list[str] = []
    found = {
        split: dict.fromkeys(islice(_usable_classes(dataset, split, max_pixels, faults), wanted), 1)
        for split, wanted in NEEDED.items()
    }
    try:
        refuse_too_little(found, location)
    except BadData as error:
        if not faults:
            raise
        raise BadData(f"{error} ({faults[0]}; `tintype data check` names all such files)") from None


def _usable_classes(dataset: Dataset, split: str, max_pixels: int, faults: list[str]) -> Iterator[str]:
    """The classes of which the split has a usable image, each as soon as one is seen. What is wrong with the first file
    that has none is put into `faults`.
    """
    indices = dataset.indices(split)
    labels = dataset.labels[indices]
    for label, name in enumerate(dataset.classes):
        for index in indices[labels == label].tolist():
            try:
                content = read_image_file(dataset.file(index), max_pixels)
                decode(content, minimum_side=DECODED_SIDE, max_pixels=max_pixels)
            except InvalidRequest as error:
                faults += [] if faults else [f"{dataset.paths[index]}: {error}"]
                continue
            yield name
            break
