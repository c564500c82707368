"""How pixels lie in the input of a network in 8-bit integers that reads them as they are: side by side, in blocks.

    pixels (n, s, s, 3) uint8  ->  blocks (n, rows, columns, 3 b b) uint8; a block is b x b pixels, row by row

A convolution over three channels with a stride of b spends more time on gathering its few bytes than on multiplying
them. Over blocks it has a stride of 1, runs of b times as many bytes, and the same sums. ResNet's first, 7 x 7 with a
stride of 2, takes 1.2 ms of two cores over pixels and 0.6 over blocks; normalising, rounding to 8 bits and turning the
channels, 0.3 ms more, are not done at all, as the weights take care of mean and deviation.

Around the picture is a border of the pixel that is nearest to the mean, the network's zero, where it would pad.
"""

from __future__ import annotations

from typing import Self, final

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

INPUT = "blocks"                # the name of such an input
LARGEST_BLOCK = 32              # pixels a side; patches of vision transformers have 14 to 32
MOST_BORDER = 64                # pixels, beside a second picture
MOST_BLOCKS = 65_536            # a side
CHANNELS = 3
UNITS = tuple(map(np.dtype, (np.uint64, np.uint32, np.uint16, np.uint8)))
MOST_UNITS = 3                  # of a run of bytes, to be copied unit by unit


@final
class PixelBlocks(BaseModel):
    """Where a picture is in the blocks. All but `block` are in blocks."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    block: int = Field(ge=1, le=LARGEST_BLOCK)          # pixels a side
    top: int = Field(ge=0, le=MOST_BLOCKS)              # of border above the picture
    left: int = Field(ge=0, le=MOST_BLOCKS)
    rows: int = Field(ge=1, le=MOST_BLOCKS)             # of all, borders included
    columns: int = Field(ge=1, le=MOST_BLOCKS)

    @classmethod
    def before(
        cls, size: int, kernel: tuple[int, int], strides: tuple[int, int], pads: tuple[int, int, int, int]
    ) -> Self | None:
        """For a convolution over pictures of `size` pixels a side; None where blocks do not fit to it.

        `kernel` is (height, width) and `strides` likewise; `pads` are pixels (top, left, bottom, right), as in ONNX.
        """
        block, across = strides
        if block != across or block > LARGEST_BLOCK or size % block or min(pads) < 0:
            return None
        places = [(size + pads[at] + pads[at + 2] - kernel[at]) // block + 1 for at in (0, 1)]
        if min(places) < 1 or max(pads) > size + MOST_BORDER:
            return None
        top, left = (-(-pad // block) for pad in pads[:2])
        rows, columns = (
            place + taps - 1 for place, taps in zip(places, cls._taps(kernel, pads, block), strict=True)
        )
        found = cls(block=block, top=top, left=left, rows=rows, columns=columns)
        return found if found.fits(size) else None

    @staticmethod
    def _taps(kernel: tuple[int, int], pads: tuple[int, int, int, int], block: int) -> tuple[int, int]:
        """Blocks (down, across) that such a kernel reads at once."""
        down, across = (-(-(kernel[at] + -pads[at] % block) // block) for at in (0, 1))
        return down, across

    def kernel(self, weights: np.ndarray, pads: tuple[int, int, int, int]) -> np.ndarray:
        """The weights (out, 3, height, width) of that convolution as those of one over blocks.

        (out, 3 b b, blocks down, blocks across): its stride is 1 and it does not pad.
        """
        block, (outputs, channels, height, width) = self.block, weights.shape
        down, across = self._taps((height, width), pads, block)
        above, beside = (-pads[at] % block for at in (0, 1))        # pixels of border that it would not have read
        wide = np.zeros((outputs, channels, down * block, across * block), weights.dtype)
        wide[:, :, above : above + height, beside : beside + width] = weights
        parts = wide.reshape(outputs, channels, down, block, across, block).transpose(0, 3, 5, 1, 2, 4)
        return np.ascontiguousarray(parts.reshape(outputs, channels * block * block, down, across))

    def fits(self, size: int) -> bool:
        """Whether a picture of `size` pixels a side has its place in them, and they are not much larger."""
        inside, most = size // self.block, (2 * size + MOST_BORDER) // self.block
        sides = ((self.top, self.rows), (self.left, self.columns))
        return not size % self.block and all(before + inside <= all_ <= most for before, all_ in sides)

    def empty(self, count: int, border: np.ndarray) -> np.ndarray:
        """Blocks of `count` pictures, all of it the pixel `border`: uint8 (3,)."""
        block = np.tile(border.astype(np.uint8), self.block * self.block)
        return np.tile(block, (count, self.rows, self.columns, 1))

    def put(self, pixels: np.ndarray, out: np.ndarray) -> None:
        """Write uint8 (s, s, 3), contiguous, into the blocks (rows, columns, 3 b b) of one picture."""
        block, inside, run = self.block, len(pixels) // self.block, self.block * CHANNELS
        source = pixels.reshape(inside, block, inside, run)
        place = out[self.top : self.top + inside, self.left : self.left + inside]
        target = place.reshape(inside, inside, block, run)          # a view
        unit = next(one for one in UNITS if run % one.itemsize == 0)
        if block == 1 or run > MOST_UNITS * unit.itemsize:
            target[...] = source.transpose(0, 2, 1, 3)
            return
        source, target = source.view(unit), target.view(unit)
        for row in range(block):                                    # runs of 6 bytes: 28 us for 224 px, 218 in one go
            for at in range(run // unit.itemsize):
                target[:, :, row, at] = source[:, row, :, at]
