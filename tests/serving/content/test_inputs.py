"""What an array is taken for."""

from __future__ import annotations

import numpy as np
import pytest

from tintype.errors import InvalidRequest
from tintype.serving.content.inputs import EncodedImage, Pixels, Tensors, count, from_array


def test_whole_numbers_are_pixels() -> None:
    one = from_array(np.zeros((5, 7, 3), np.uint8))
    assert isinstance(one, Pixels)
    assert one.rgb.shape == (1, 5, 7, 3)
    many = from_array(np.full((2, 5, 7, 3), 255, np.int64))        # what a nested list becomes
    assert isinstance(many, Pixels)
    assert many.rgb.dtype == np.uint8
    assert count((one, many, EncodedImage(b""))) == 4


@pytest.mark.parametrize("dtype", ["<f4", ">f4", "<f8", "<f2"])
def test_floats_are_tensors(dtype: str) -> None:
    one = from_array(np.full((3, 4, 4), 0.5, dtype))
    assert isinstance(one, Tensors)
    assert one.values.dtype == np.float32
    assert one.values.shape == (1, 3, 4, 4)
    assert one.values.flags.c_contiguous


def test_a_file_in_sagemakers_numpy_wrapping() -> None:
    assert from_array(np.array(b"\x89PNG file")) == EncodedImage(b"\x89PNG file")


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((3, 8, 8), np.uint8), r"\(3, 8, 8\).*\(height, width, 3\)"),
        (np.zeros((8, 8), np.uint8), r"\(8, 8\)"),
        (np.zeros((8, 8, 4), np.uint8), r"\(8, 8, 4\)"),
        (np.zeros((0, 8, 3), np.uint8), r"\(0, 8, 3\)"),
        (np.zeros((1, 1, 8, 8, 3), np.uint8), "not understood"),
        (np.full((2, 2, 3), 256), "from 256 to 256"),
        (np.full((2, 2, 3), -1), "from -1"),
        (np.zeros((8, 8, 3), np.float32), r"\(8, 8, 3\)"),
        (np.zeros((0, 3, 8, 8), np.float32), "not understood"),
        (np.float32(1), r"\(\)"),
        (np.full((3, 2, 2), np.nan), "NaN"),
        (np.full((3, 2, 2), np.inf, np.float32), "infinite"),
        (np.full((3, 2, 2), 1e300), "infinite"),               # more than a float32 holds
        (np.zeros((2, 2, 3), bool), "bool"),
        (np.zeros((2, 2, 3), complex), "complex"),
        (np.array(["text"]), "<U4"),
        (np.array([b"two", b"files"]), "S5"),
    ],
)
def test_anything_else_is_refused_by_name(array: np.ndarray, message: str) -> None:
    with pytest.raises(InvalidRequest, match=message):
        from_array(np.asarray(array))
