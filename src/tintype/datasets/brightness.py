"""How bright pictures are, in tenths: what a deployed model's pictures are compared by with those it was judged on."""

from __future__ import annotations

from collections import Counter

import numpy as np
from numpy.typing import NDArray

BINS = 10


def brightness(rgb: NDArray[np.uint8]) -> float:
    """The mean of all values of a picture (height, width, 3), 0 to 1."""
    return int(rgb.sum(axis=(1, 2), dtype=np.uint32).sum()) / (255 * rgb.size)      # a third of what `mean` takes


def brightness_bin(mean: float) -> str:
    """The name of the tenth that a brightness (0 to 1) is in, e.g. "0.3-0.4"."""
    tenth = min(max(int(mean * BINS), 0), BINS - 1)
    return f"{tenth / BINS:.1f}-{(tenth + 1) / BINS:.1f}"


def brightness_counts(images: NDArray[np.uint8], rows: NDArray[np.integer]) -> dict[str, int]:
    """How many of the pictures `images[rows]`, uint8 (n, height, width, 3), are in which tenth; one at a time."""
    return dict(Counter(brightness_bin(brightness(images[row])) for row in rows))
