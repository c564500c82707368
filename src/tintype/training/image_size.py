"""The image size when nobody asks for one: what the images hold, what the network can use, what it costs."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tintype.datasets.dataset import Dataset
from tintype.datasets.images import Header, probe, read_image_file
from tintype.errors import BadImage, TintypeError

SMALL_CNN = "small_cnn"         # the one network that is not made for images of 64 pixels and more
PROBED_FILES = 200              # spread evenly over the training images
HEADER_BYTES = 1 << 18          # enough for a header, EXIF thumbnails included, where the file begins with it
LARGEST = {"pretrained": 224, "scratch": 128}       # pixels; pretrained weights expect about 224
SMALLEST_STRIDED = 64           # a network of the zoo halves its input five times
STEP = 16                       # sizes above this many pixels are multiples of it


def typical_side(dataset: Dataset) -> int:
    """The median of the shorter sides of the training images, in pixels; 224 when none can be read."""
    train = dataset.indices("train")
    chosen = train[np.linspace(0, len(train) - 1, min(PROBED_FILES, len(train))).astype(np.int64)]
    sides = [side for index in chosen if (side := _short_side(dataset.file(int(index))))]
    return int(np.median(sides)) if sides else LARGEST["pretrained"]


def automatic_size(typical: int, *, pretrained: bool, strided: bool) -> int:
    """Pixels per side for images whose shorter side is about `typical` pixels.

    `strided` is true of the zoo's networks, which see next to nothing in an image below 64 pixels.
    """
    size = min(typical, LARGEST["pretrained" if pretrained else "scratch"])
    size = size if size < 2 * STEP else size // STEP * STEP
    return max(size, SMALLEST_STRIDED if strided else 8)


def source_side(size: int, typical: int) -> int:
    """Pixels per side of the cached pictures that random crops are cut from.

    A quarter more than the network sees, but not more than the pictures have.
    """
    return min(size + size // 4, max(size, typical))


def _short_side(file: Path) -> int | None:
    try:
        header = _header(file)
    except (TintypeError, OSError):                     # the cache will say what is wrong with it
        return None
    return min(header.width, header.height)


def _header(file: Path) -> Header:
    with file.open("rb") as stream:
        start = stream.read(HEADER_BYTES)
    try:
        return probe(start, whole=False)
    except BadImage:
        if len(start) < HEADER_BYTES:
            raise
        return probe(read_image_file(file))             # a TIFF may have its header at the end
