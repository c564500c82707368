"""What a network is fed: pictures, each put into its row of a batch, in the layout that the network reads.

There are two, and the archive's description says which: normalised floats, and 8-bit pixels in blocks (`pixel_blocks`).
Both are made as the preprocessing says, whose `levels` are what it makes of each level of each channel.
"""

from __future__ import annotations

from typing import Any, Protocol, final

import numpy as np

from tintype.models import pixel_blocks
from tintype.models.pixel_blocks import PixelBlocks

NORMALISED, OUTPUT = "images", "logits"      # the names of a network's input and output


class Scale(Protocol):
    """What a preprocessing (`datasets.transforms`) makes of pixels."""

    @property
    def size(self) -> int:
        """Pixels a side."""
        ...

    @property
    def levels(self) -> Any:
        """An array, float32 (3, 256). (No checker takes a `cached_property` for one.)"""
        ...

    def put_normalised(self, rgb: np.ndarray, out: np.ndarray) -> None:
        """uint8 (size, size, 3) into float32 (3, size, size)."""
        ...


class NetworkInput(Protocol):
    """One layout, for pictures of one size."""

    name: str                   # of the network's input

    def empty(self, count: int) -> np.ndarray:
        """A batch of `count` rows without pictures. Rows may be used again and again."""
        ...

    def put_pixels(self, row: np.ndarray, rgb: np.ndarray) -> None:
        """Put a picture in: uint8 (size, size, 3), contiguous."""
        ...

    def put_tensor(self, row: np.ndarray, tensor: np.ndarray) -> None:
        """Put a picture in that its sender has normalised: float32 (3, size, size)."""
        ...


def network_input(scale: Scale, blocks: PixelBlocks | None) -> NetworkInput:
    """That of a network which takes pictures on that scale: in these `blocks`, or normalised."""
    return Normalised(scale) if blocks is None else Blocks(scale.levels, blocks)


@final
class Normalised:
    """float32 (n, 3, size, size)."""

    name = NORMALISED

    def __init__(self, scale: Scale) -> None:
        self._size = scale.size
        self._put = scale.put_normalised

    def empty(self, count: int) -> np.ndarray:
        """As the protocol says."""
        return np.empty((count, 3, self._size, self._size), np.float32)

    def put_pixels(self, row: np.ndarray, rgb: np.ndarray) -> None:
        """As the protocol says."""
        self._put(rgb, row)

    def put_tensor(self, row: np.ndarray, tensor: np.ndarray) -> None:
        """As the protocol says."""
        row[...] = tensor


@final
class Blocks:
    """uint8 (n, rows, columns, 3 b b)."""

    name = pixel_blocks.INPUT

    def __init__(self, levels: np.ndarray, blocks: PixelBlocks) -> None:
        self._blocks = blocks
        self._border = np.abs(levels).argmin(axis=1)
        self._lowest, self._highest = levels[:, :1, None], levels[:, -1:, None]
        self._step = (self._highest - self._lowest) / 255

    def empty(self, count: int) -> np.ndarray:
        """As the protocol says."""
        return self._blocks.empty(count, self._border)

    def put_pixels(self, row: np.ndarray, rgb: np.ndarray) -> None:
        """As the protocol says."""
        self._blocks.put(rgb, row)

    def put_tensor(self, row: np.ndarray, tensor: np.ndarray) -> None:
        """As the protocol says: back to the nearest pixels, which is exact for what has been some."""
        possible = tensor.clip(self._lowest, self._highest)
        pixels = np.rint((possible - self._lowest) / self._step).astype(np.uint8)
        self._blocks.put(np.ascontiguousarray(pixels.transpose(1, 2, 0)), row)
