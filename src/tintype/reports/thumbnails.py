"""Thumbnails small enough to live inside the page.

Images are decoded by `datasets.images` (limits, orientation, colour) and written anew as JPEG, so that no
metadata of the original, such as where it was taken, gets into a report that is passed on.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, final

import numpy as np
import simplejpeg
from numpy.typing import NDArray
from PIL import Image

from tintype.datasets.images import decode
from tintype.errors import TintypeError
from tintype.reports.run_report import Picture

QUALITY = 76
LARGEST_FILE_BYTES = 64 * 1024**2                           # larger ones are not read for a thumbnail


@final
@dataclass(frozen=True)
class Thumbnails:
    """Makes thumbnails of files below `root`. `side` is in pixels: of a square, or of the longer side."""

    root: Path
    max_pixels: int

    def make(self, file: str, side: int, shape: Literal["square", "whole"]) -> Picture | None:
        """The thumbnail of `file`; None when it is gone or is not a usable image. Small images stay as they are."""
        try:
            path = self.root / file
            if path.stat().st_size > LARGEST_FILE_BYTES:
                return None
            rgb = decode(path.read_bytes(), minimum_side=side, max_pixels=self.max_pixels).rgb
        except (OSError, TintypeError):
            return None
        small = _square(rgb, side) if shape == "square" else _whole(rgb, side)
        content = simplejpeg.encode_jpeg(small, quality=QUALITY, colorspace="RGB", colorsubsampling="420")
        uri = f"data:image/jpeg;base64,{base64.b64encode(content).decode()}"
        return Picture(uri, width=small.shape[1], height=small.shape[0], file=file)


def _square(rgb: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """The middle square of an (h, w, 3) image, at most `side` wide."""
    height, width, _ = rgb.shape
    edge = min(height, width)
    top, left = (height - edge) // 2, (width - edge) // 2
    return _resized(rgb[top : top + edge, left : left + edge], min(side, edge), min(side, edge))


def _whole(rgb: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """All of an (h, w, 3) image, its longer side at most `side`."""
    height, width, _ = rgb.shape
    scale = min(1.0, side / max(height, width))
    return _resized(rgb, max(1, round(height * scale)), max(1, round(width * scale)))


def _resized(rgb: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    if rgb.shape[:2] == (height, width):
        return np.ascontiguousarray(rgb)
    image = Image.fromarray(np.ascontiguousarray(rgb))
    return np.asarray(image.resize((width, height), Image.Resampling.LANCZOS))
