from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from tintype.models.pixel_blocks import LARGEST_BLOCK, PixelBlocks

BORDER = np.array([3, 5, 7], np.uint8)
sides = st.integers(1, 9)


def pixels(size: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (size, size, 3), dtype=np.uint8)


def padded(picture: np.ndarray, pads: tuple[int, int, int, int]) -> np.ndarray:
    top, left, bottom, right = pads
    height, width, _ = picture.shape
    wide = np.tile(BORDER, (top + height + bottom, left + width + right, 1))
    wide[top : top + height, left : left + width] = picture
    return wide


def planes(array: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(array.astype(np.float64)).permute(2, 0, 1)[None]


@settings(max_examples=150, deadline=None)
@given(
    size=st.integers(1, 40),
    kernel=st.tuples(sides, sides),
    stride=st.integers(1, 6),
    pads=st.tuples(*[st.integers(0, 4)] * 4),
    seed=st.integers(0, 9),
)
def test_a_convolution_over_blocks_has_the_same_sums(
    size: int, kernel: tuple[int, int], stride: int, pads: tuple[int, int, int, int], seed: int
) -> None:
    blocks = PixelBlocks.before(size, kernel, (stride, stride), pads)
    assume(blocks is not None)
    assert blocks is not None
    weights = np.random.default_rng(seed).integers(-9, 10, (2, 3, *kernel)).astype(np.float64)
    picture = pixels(size, seed)
    (row,) = blocks.empty(1, BORDER)
    blocks.put(picture, row)
    expected = torch.conv2d(planes(padded(picture, pads)), torch.from_numpy(weights), stride=stride)
    found = torch.conv2d(planes(row), torch.from_numpy(blocks.kernel(weights, pads)))
    assert torch.equal(found, expected)


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "pads", "expected"),
    [
        (224, 7, 2, (3, 3, 3, 3), (2, 2, 2, 115, 115)),         # ResNet
        (224, 3, 2, (1, 1, 1, 1), (2, 1, 1, 113, 113)),         # MobileNet
        (224, 3, 2, (0, 0, 1, 1), (2, 0, 0, 113, 113)),         # as TensorFlow pads
        (224, 4, 4, (0, 0, 0, 0), (4, 0, 0, 56, 56)),           # ConvNeXt
        (224, 16, 16, (0, 0, 0, 0), (16, 0, 0, 14, 14)),        # a vision transformer
        (32, 3, 1, (1, 1, 1, 1), (1, 1, 1, 34, 34)),
    ],
)  # fmt: skip
def test_the_first_convolutions_that_there_are(size, kernel, stride, pads, expected) -> None:
    blocks = PixelBlocks.before(size, (kernel, kernel), (stride, stride), pads)
    assert blocks is not None
    assert tuple(blocks.model_dump().values()) == expected


@pytest.mark.parametrize(
    ("size", "kernel", "strides", "pads"),
    [
        (225, (7, 7), (2, 2), (3, 3, 3, 3)),                    # a block would be cut
        (224, (7, 7), (2, 1), (3, 3, 3, 3)),                    # blocks are square
        (224, (7, 7), (64, 64), (3, 3, 3, 3)),
        (4, (7, 7), (1, 1), (0, 0, 0, 0)),                      # larger than the picture
        (8, (1, 1), (2, 2), (-2, 0, 0, 0)),                     # ONNX may cut off as well as pad
        (32, (3, 3), (1, 1), (200, 0, 0, 0)),                   # mostly border
        (32, (3, 3), (1, 1), (0, 0, 0, 100_000)),               # more blocks than there may be
    ],
)  # fmt: skip
def test_what_blocks_do_not_fit_to(size, kernel, strides, pads) -> None:
    assert PixelBlocks.before(size, kernel, strides, pads) is None


@pytest.mark.parametrize("block", range(1, LARGEST_BLOCK + 1))
def test_each_pixel_has_its_place(block: int) -> None:
    size = 3 * block
    blocks = PixelBlocks(block=block, top=1, left=2, rows=5, columns=6)
    batch = blocks.empty(2, BORDER)
    picture = pixels(size)
    for _ in range(2):                                          # a row may be used again
        blocks.put(picture, batch[1])
    wide = padded(picture, (block, 2 * block, block, block))
    assert batch.dtype == np.uint8
    for row, column in ((0, 0), (1, 2), (3, 4), (2, 3), (4, 5)):
        part = wide[row * block : (row + 1) * block, column * block : (column + 1) * block]
        np.testing.assert_array_equal(batch[1, row, column].reshape(block, block, 3), part)
    np.testing.assert_array_equal(batch[0], np.broadcast_to(np.tile(BORDER, block * block), batch[0].shape))


def test_what_a_description_may_say() -> None:
    blocks = PixelBlocks(block=2, top=2, left=2, rows=115, columns=115)
    assert PixelBlocks.model_validate_json(blocks.model_dump_json()) == blocks
    assert blocks.fits(224)
    assert not blocks.fits(223)
    assert not blocks.fits(228)
    assert not blocks.fits(64), "much memory for a small picture"
    for wrong in ({"block": 0}, {"block": 33}, {"top": -1}, {"rows": 0}, {"rows": 2.5}, {"rows": 10**6}, {"more": 1}):
        with pytest.raises(ValidationError):
            PixelBlocks.model_validate({**blocks.model_dump(), **wrong})
