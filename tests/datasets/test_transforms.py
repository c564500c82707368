"""The preprocessing: geometry, values, and that what is stored is what comes back."""

from __future__ import annotations

import io
import json
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from tintype.datasets.transforms import Preprocessing, Resize, centre_square
from tintype.errors import BadImage, InvalidRequest


def photograph(width: int, height: int) -> np.ndarray:
    """Smooth, so that scaling changes little."""
    y, x = np.mgrid[0:height, 0:width]
    return np.stack([x * 255 / width, y * 255 / height, (x + y) * 255 / (width + height)], axis=-1).astype(np.uint8)


def jpeg(pixels: np.ndarray) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "JPEG", quality=98, subsampling=0)
    return stream.getvalue()


@pytest.mark.parametrize("resize", ["crop", "stretch"])
@given(width=st.integers(1, 90), height=st.integers(1, 90), size=st.integers(1, 40))
@settings(max_examples=60, deadline=None)
def test_any_size_becomes_the_square(resize: Resize, width: int, height: int, size: int) -> None:
    out = Preprocessing(size, resize).apply(np.full((height, width, 3), 77, np.uint8))
    assert (out.shape, out.dtype) == ((size, size, 3), np.uint8)
    assert (out == 77).all()


def test_crop_keeps_the_centre_and_stretch_keeps_all() -> None:
    striped = np.zeros((30, 90, 3), np.uint8)
    striped[:, 30:60] = 200
    assert (Preprocessing(10, "crop").apply(striped) == 200).all()
    stretched = Preprocessing(9, "stretch").apply(striped)[4, :, 0]
    assert (stretched[0], stretched[4], stretched[8]) == (0, 200, 0)


def test_crop_is_resize_then_centre_crop() -> None:
    picture = photograph(300, 200)
    theirs = Image.fromarray(picture).resize((96, 64), Image.Resampling.BILINEAR).crop((16, 0, 80, 64))
    ours = Preprocessing(64).apply(picture).astype(int)
    assert abs(ours - np.asarray(theirs)).max() <= 2


def test_scaling_down_is_antialiased() -> None:
    checks = np.indices((256, 256)).sum(axis=0) % 2 * 255
    grey = Preprocessing(32, "stretch").apply(np.repeat(checks[..., None], 3, axis=2).astype(np.uint8))
    assert abs(grey.astype(int) - 127).max() <= 2


def test_reducing_first_makes_no_visible_difference() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (1000, 1000, 3)).astype(np.uint8)
    exact = np.asarray(Image.fromarray(picture).resize((64, 64), Image.Resampling.BILINEAR)).astype(int)
    assert abs(Preprocessing(64).apply(picture) - exact).mean() < 3


def test_decoding_at_scale_is_close_to_decoding_in_full() -> None:
    picture = photograph(640, 480)
    preprocessing = Preprocessing(64)
    scaled = preprocessing.decode(jpeg(picture)).astype(int)
    assert abs(scaled - preprocessing.apply(picture)).max() <= 4


def test_decode_raises_what_the_decoder_raises() -> None:
    with pytest.raises(BadImage):
        Preprocessing(8).decode(b"no picture")


def test_normalise() -> None:
    preprocessing = Preprocessing(5, mean=(0.1, 0.2, 0.3), std=(0.5, 0.6, 0.7))
    batch = np.random.default_rng(0).integers(0, 256, (3, 5, 5, 3), dtype=np.uint8)
    expected = ((batch / 255 - np.array(preprocessing.mean)) / np.array(preprocessing.std)).transpose(0, 3, 1, 2)
    out = preprocessing.normalise(batch)
    assert (out.shape, out.dtype, out.flags.c_contiguous) == ((3, 3, 5, 5), np.float32, True)
    assert (out == expected.astype(np.float32)).all()
    assert preprocessing.normalise(batch[:0]).shape == (0, 3, 5, 5)


@pytest.mark.parametrize("shape", [(4, 7, 3), (7, 4, 3), (5, 5, 3), (1, 9, 3)])
def test_centre_square(shape: tuple[int, int, int]) -> None:
    square = centre_square(np.zeros(shape, np.uint8))
    assert square.shape[:2] == (min(shape[:2]), min(shape[:2]))


def test_json_round_trip() -> None:
    preprocessing = Preprocessing(224, "stretch", (0.5, 0.4, 0.3), (0.1, 0.2, 0.3))
    assert Preprocessing.from_json(json.loads(json.dumps(preprocessing.to_json()))) == preprocessing


@pytest.mark.parametrize(
    ("change", "names"),
    [
        ({"size": 0}, "size"),
        ({"size": 5000}, "size"),
        ({"size": True}, "size"),
        ({"size": "224"}, "size"),
        ({"resize": "squash"}, "resize"),
        ({"mean": [0.5]}, "mean"),
        ({"mean": 0.5}, "mean"),
        ({"mean": ["a", "b", "c"]}, "mean"),
        ({"std": [1, 1, 0]}, "std"),
        ({"std": [1, 1, float("nan")]}, "std"),
        ({"mean": [0.5, 0.5, float("inf")]}, "mean"),
        ({"mean": [10**400, 0.5, 0.5]}, "mean"),                # JSON may say so, floats cannot
        ({"mean": [1e6, 0.5, 0.5]}, "told apart"),              # float32 has no steps as small as a pixel's there
        ({"std": [1e-310, 1, 1]}, "told apart"),
        ({"colour": "grey"}, "colour"),
    ],
)
def test_a_wrong_field_is_named(change: dict[str, object], names: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(InvalidRequest, match=names):
            Preprocessing.from_json({**Preprocessing(8).to_json(), **change})


@pytest.mark.parametrize(
    ("mean", "std"),
    [((0, 0, 0), (1, 1, 1)), ((0.5,) * 3, (0.5,) * 3), ((0, 0, 0), (1 / 255,) * 3), ((-1, 2, 9), (1e-6, 5, 1e6))],
)
def test_unusual_means_and_deviations_are_fine(mean: tuple[float, ...], std: tuple[float, ...]) -> None:
    levels = Preprocessing.from_json({**Preprocessing(8).to_json(), "mean": mean, "std": std}).levels
    assert (levels.shape, levels.dtype) == ((3, 256), np.float32)
    np.testing.assert_allclose(levels[:, 255] - levels[:, 0], 1 / np.array(std), rtol=1e-4)
