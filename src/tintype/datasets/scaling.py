"""Scaling to a square, antialiased bilinear: in SIMD where there is a library for this processor, else by Pillow.

Both convolve with the same triangle, as wide as a pixel of what comes out, in fixed point; their values differ by one
level of 255 at most.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

try:
    from tintype.datasets.simd_scaling import by_simd
except ImportError:
    by_simd = None

REDUCING_GAP = 3.0              # sources many times too large are box-averaged first; no difference can be seen
REDUCED = 2 * REDUCING_GAP      # so many times: what Pillow halves is still three times too large


def resized(rgb: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """uint8 (h, w, 3) scaled to uint8 (side, side, 3), both sides on their own. It may be read-only."""
    if rgb.shape[:2] == (side, side):
        return np.ascontiguousarray(rgb)
    if by_simd is None or max(rgb.shape[:2]) >= REDUCED * side:
        return by_pillow(rgb, side)
    return by_simd(rgb, side)


def by_pillow(rgb: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """`resized`, on every processor."""
    image = Image.fromarray(rgb).resize((side, side), Image.Resampling.BILINEAR, reducing_gap=REDUCING_GAP)
    return np.asarray(image)
