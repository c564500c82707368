from __future__ import annotations

import warnings

import numpy as np
import pytest

from tintype.datasets.transforms import Preprocessing
from tintype.models.network_input import Blocks, Normalised, network_input
from tintype.models.pixel_blocks import PixelBlocks

SIZE = 6
LAYOUT = PixelBlocks(block=2, top=1, left=1, rows=5, columns=5)
PREPROCESSING = Preprocessing(SIZE)
PICTURE = np.random.default_rng(0).integers(0, 256, (SIZE, SIZE, 3), dtype=np.uint8)
TENSOR = PREPROCESSING.normalise(PICTURE[None])[0]


def both() -> list[Normalised | Blocks]:
    made = [network_input(PREPROCESSING, blocks) for blocks in (None, LAYOUT)]
    assert [one.name for one in made] == ["images", "blocks"]
    return made         # pyright: ignore[reportReturnType]


@pytest.mark.parametrize("number", [0, 1])
def test_a_picture_and_its_normalised_tensor_are_the_same(number: int) -> None:
    layout = both()[number]
    batch = layout.empty(2)
    layout.put_pixels(batch[0], PICTURE)
    layout.put_tensor(batch[1], TENSOR)
    np.testing.assert_array_equal(batch[0], batch[1])


def test_normalised_floats_are_those_of_the_preprocessing() -> None:
    layout, _ = both()
    batch = layout.empty(1)
    layout.put_pixels(batch[0], PICTURE)
    assert batch.dtype == np.float32
    np.testing.assert_array_equal(batch[0], TENSOR)


def test_the_border_of_blocks_is_what_a_network_takes_for_zero() -> None:
    _, layout = both()
    batch = layout.empty(1)
    assert batch[0, 0, 0].tolist() == [124, 116, 104] * 4       # 255 times ImageNet's means, rounded
    layout.put_tensor(batch[0], np.zeros_like(TENSOR))
    assert (batch[0] == batch[0, 0, 0]).all()


def test_every_pixel_comes_back_from_its_tensor_whatever_the_scale() -> None:
    ramp = np.arange(256, dtype=np.uint8).reshape(16, 16)[..., None].repeat(3, axis=2)
    layout = PixelBlocks(block=1, top=0, left=0, rows=16, columns=16)
    for mean, std in (((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)), ((0.0, 0.5, 1.0), (1.0, 0.5, 1e-3))):
        preprocessing = Preprocessing(16, mean=mean, std=std)
        blocks = Blocks(preprocessing.levels, layout)
        batch = blocks.empty(1)
        blocks.put_tensor(batch[0], preprocessing.normalise(ramp[None])[0])
        np.testing.assert_array_equal(batch[0], ramp)


def test_tensors_beyond_any_picture_become_black_or_white() -> None:
    _, layout = both()
    batch = layout.empty(1)
    odd = np.where(TENSOR > 0, np.float32(3e38), np.float32(-3e38))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        layout.put_tensor(batch[0], odd)
    assert set(batch[0, 1:4, 1:4].ravel().tolist()) == {0, 255}
