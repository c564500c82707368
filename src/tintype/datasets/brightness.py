"""How bright pictures are, in tenths: what a deployed model's pictures are compared by with those it was judged on."""

from __future__ import annotations

from collections import Counter

import numpy as np
from numpy.typing import NDArray

BINS = 10


def brightness_bin(brightness: float) -> str:
    """The name of the tenth that a mean brightness (0 to 1) is in, e.g. "0.3-0.4"."""
    tenth = min(max(int(brightness * BINS), 0), BINS - 1)
    return f"{tenth / BINS:.1f}-{(tenth + 1) / BINS:.1f}"


def brightness_counts(images: NDArray[np.uint8], rows: NDArray[np.integer]) -> dict[str, int]:
    """How many of the pictures `images[rows]`, uint8 (n, height, width, 3), are in which tenth; one at a time."""
    return dict(Counter(brightness_bin(float(images[row].mean()) / 255) for row in rows))
