"""Slots: two views of one memory, read-only for readers, of a size that nobody can change."""

from __future__ import annotations

import os

import numpy as np
import pytest

from tintype.serving.workers import slots
from tintype.serving.workers.slots import Slots, SlotShape

SHAPE = SlotShape(3, 5)


def test_what_is_written_is_read_and_slots_do_not_overlap() -> None:
    region = slots.create(SHAPE)
    writer, reader = Slots(region, SHAPE, writable=True), Slots(region, SHAPE, writable=False)
    noise = np.random.default_rng(0)
    pixels = noise.integers(0, 255, (5, 5, 3), np.uint8)
    tensor = noise.normal(size=(3, 5, 5)).astype(np.float32)
    writer.pixels(0)[...] = pixels
    writer.tensor(1)[...] = tensor
    writer.pixels(2)[...] = pixels[::-1]
    np.testing.assert_array_equal(reader.pixels(0), pixels)
    np.testing.assert_array_equal(reader.tensor(1), tensor)
    np.testing.assert_array_equal(reader.pixels(2), pixels[::-1])
    with pytest.raises(ValueError, match="read-only"):
        reader.pixels(0)[0, 0, 0] = 1
    slots.release(region)


def test_the_size_is_sealed() -> None:
    region = slots.create(SHAPE)
    for size in (0, SHAPE.total_bytes * 2):
        with pytest.raises(PermissionError):
            os.ftruncate(region, size)
    slots.release(region)


@pytest.mark.parametrize("slot", [-1, 3, 10**9])
def test_a_slot_outside_is_an_error(slot: int) -> None:
    region = slots.create(SHAPE)
    with pytest.raises(IndexError):
        Slots(region, SHAPE, writable=True).pixels(slot)
    slots.release(region)


def test_memory_is_taken_when_it_is_used() -> None:
    large = SlotShape(1000, 300)
    region = slots.create(large)
    assert os.fstat(region).st_size == large.total_bytes
    Slots(region, large, writable=True).pixels(0)[...] = 1
    assert os.fstat(region).st_blocks * 512 < large.slot_bytes * 2
    slots.release(region)
