from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tintype.datasets.transforms import Preprocessing
from tintype.training import augmentation as augmentation_module
from tintype.training.augmentation import (
    ASPECTS,
    Augmentation,
    Draws,
    crop_and_flip,
    draw,
    flip,
    normalise,
    random_boxes,
    random_shifts,
    shift_and_flip,
)
from tintype.training.plan import AugmentationPlan
from tintype.training.randaugment import LAYERS


def pictures(count: int, side: int) -> torch.Tensor:
    """Red says the column, green the row, blue the picture."""
    line = torch.arange(side, dtype=torch.uint8)
    found = torch.zeros(count, side, side, 3, dtype=torch.uint8)
    found[..., 0], found[..., 1] = line, line[:, None]
    found[..., 2] = torch.arange(count, dtype=torch.uint8)[:, None, None]
    return found


def draws(boxes: list[list[float]], flips: list[bool]) -> Draws:
    count = len(boxes)
    nothing = np.zeros((count, LAYERS))
    return Draws(np.array(boxes, np.float32), np.array(flips), nothing.astype(np.int64), nothing.astype(np.float32))


def augmentation(kind: str, side: int, size: int) -> Augmentation:
    preprocessing = Preprocessing(size=size, mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))
    return Augmentation(AugmentationPlan.model_validate({"kind": kind}), preprocessing, side)


@given(st.integers(0, 2**32), st.floats(0.05, 1.0), st.floats(0.2, 5.0))
def test_boxes_are_inside_large_enough_and_not_too_distorted(seed: int, minimum_area: float, aspect: float) -> None:
    boxes = random_boxes(np.random.default_rng(seed), np.full(50, aspect, np.float32), minimum_area)
    left, top, width, height = boxes.T
    assert (boxes >= 0).all()
    assert (left + width <= 1 + 1e-9).all()
    assert (top + height <= 1 + 1e-9).all()
    shape = width * aspect / height                             # in the geometry of the original picture
    whole = (width > 1 - 1e-9) | (height > 1 - 1e-9)            # nothing of the right shape and area fitted
    fits = (shape > ASPECTS[0] - 1e-6) & (shape < ASPECTS[1] + 1e-6) & (width * height > minimum_area - 1e-6)
    assert (fits | whole).all()


def test_flip_mirrors_only_those_drawn() -> None:
    found = flip(pictures(2, 4), np.array([True, False]))
    assert found[0, 0, :, 0].tolist() == [3, 2, 1, 0]
    assert found[1, 0, :, 0].tolist() == [0, 1, 2, 3]
    assert found[:, 0, 0, 2].tolist() == [0, 1]


def test_nothing_to_flip_costs_nothing() -> None:
    images = pictures(2, 4)
    assert flip(images, np.array([False, False])) is images


def test_shifts_move_whole_pixels_and_reflect_the_edge() -> None:
    found = shift_and_flip(pictures(2, 8), draws([[0.25, 0, 1, 1], [0, -0.125, 1, 1]], [False, True]))
    assert found[0, 0, :, 0].tolist() == [2, 3, 4, 5, 6, 7, 6, 5]
    assert found[0, :, 0, 1].tolist() == list(range(8))
    assert found[1, 0, :, 0].tolist() == list(range(7, -1, -1))
    assert found[1, :, 0, 1].tolist() == [1, 0, 1, 2, 3, 4, 5, 6]


def test_drawn_shifts_reach_an_eighth() -> None:
    boxes = random_shifts(np.random.default_rng(0), 1000, 4 / 32)
    pixels = np.unique(np.rint(boxes[:, :2] * 32))
    assert pixels.tolist() == list(range(-4, 5))


@pytest.mark.parametrize("size", [32, 80])                      # one resize for the batch, and one per image
def test_a_crop_shows_its_box(size: int) -> None:
    side = 2 * size
    found = crop_and_flip(pictures(1, side), draws([[0.25, 0.5, 0.5, 0.25]], [False]), size).float()
    columns, rows = found[0, size // 2, :, 0], found[0, :, size // 2, 1]
    assert columns[0] == pytest.approx(side * 0.25, abs=1)
    assert columns[-1] == pytest.approx(side * 0.75, abs=1)
    assert rows[0] == pytest.approx(side * 0.5, abs=1)
    assert rows[-1] == pytest.approx(side * 0.75, abs=1)


@pytest.mark.parametrize("size", [32, 80])
def test_a_crop_can_be_mirrored(size: int) -> None:
    box = [[0.1, 0.2, 0.5, 0.5]]
    plain = crop_and_flip(pictures(1, 2 * size), draws(box, [False]), size).float()
    mirrored = crop_and_flip(pictures(1, 2 * size), draws(box, [True]), size).float()
    assert float((plain - mirrored.flip(2)).abs().max()) <= 1


def test_the_two_ways_to_crop_agree() -> None:
    boxes = np.array([[0.13, 0.2, 0.6, 0.7], [0.0, 0.0, 1.0, 1.0]], np.float32)
    images = pictures(2, 96)
    one_by_one = augmentation_module._crop_one_by_one(images, boxes, 72).float()
    at_once = augmentation_module._crop_at_once(images, draws(boxes.tolist(), [False, False]), 72).float()
    assert float((one_by_one - at_once).abs().max()) <= 2


@pytest.mark.parametrize(
    ("kind", "side", "size"),
    [("none", 16, 16), ("flip", 16, 16), ("crop-flip", 16, 16), ("crop-flip", 24, 16), ("randaugment", 24, 16)],
)
def test_every_kind_gives_what_the_network_takes(kind: str, side: int, size: int) -> None:
    chosen = augmentation(kind, side, size)
    drawn = chosen.draw(np.random.default_rng(0), np.ones(12, np.float32))
    images = chosen.apply(pictures(12, side), drawn)
    assert images.shape == (12, 3, size, size)
    assert images.dtype is torch.float32
    assert images.is_contiguous(memory_format=torch.channels_last)
    assert torch.isfinite(images).all()


def test_without_augmentation_it_is_the_evaluation_preprocessing() -> None:
    preprocessing = Preprocessing(16, mean=(0.4, 0.5, 0.6), std=(0.1, 0.2, 0.3))
    chosen = Augmentation(AugmentationPlan(kind="none"), preprocessing, 16)
    images = chosen.apply(pictures(3, 16), chosen.draw(np.random.default_rng(0), np.ones(3, np.float32)))
    assert torch.allclose(images, torch.from_numpy(preprocessing.normalise(pictures(3, 16).numpy())), atol=1e-5)


def test_the_cached_pictures_are_not_touched() -> None:
    for kind in ("none", "flip", "crop-flip", "randaugment"):
        chosen, images = augmentation(kind, 16, 16), pictures(6, 16)
        chosen.apply(images, chosen.draw(np.random.default_rng(1), np.ones(6, np.float32)))
        assert torch.equal(images, pictures(6, 16))


def test_part_of_a_batch_gets_what_it_would_get_in_the_whole() -> None:
    chosen = augmentation("randaugment", 24, 16)
    drawn = chosen.draw(np.random.default_rng(0), np.ones(8, np.float32))
    whole = chosen.apply(pictures(8, 24), drawn)
    part = chosen.apply(pictures(8, 24)[4:], drawn[slice(4, 8)])
    assert torch.allclose(whole[4:], part, atol=1e-3)


def test_draws_depend_on_the_generator_alone() -> None:
    boxes = np.zeros((5, 4))
    one, other = draw(np.random.default_rng(3), boxes), draw(np.random.default_rng(3), boxes)
    assert np.array_equal(one.flips, other.flips)
    assert np.array_equal(one.operations, other.operations)
    assert np.array_equal(one.signs, other.signs)


def test_normalise_works_in_place() -> None:
    images = torch.full((1, 3, 2, 2), 255.0)
    found = normalise(images, Preprocessing(2, mean=(0.5, 0.0, 1.0), std=(0.5, 1.0, 0.1)))
    assert found is images
    assert images[0, :, 0, 0].tolist() == pytest.approx([1.0, 1.0, 0.0], abs=1e-5)
