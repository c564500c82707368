"""Shared memory in which decoders put pictures and the network finds them, so that no pixel is copied on the way.

Each decoder has a region of its own, which it alone may write to. One that a hostile picture has taken over can spoil
the pictures that it decodes, and no other's. The region's size is sealed, so that nobody can cut it off below a reader.
"""

from __future__ import annotations

import fcntl
import mmap
import os
from dataclasses import dataclass
from enum import StrEnum
from typing import final

import numpy as np

CHANNELS = 3
FLOAT_BYTES = 4


class Fill(StrEnum):
    """What a slot holds."""

    PIXELS = "u"            # uint8 (size, size, 3), to be normalised
    TENSOR = "f"            # float32 (3, size, size), normalised by the caller


@final
@dataclass(frozen=True)
class SlotShape:
    """How many slots a region has, and for pictures of which size."""

    count: int
    size: int               # pixels a side

    @property
    def slot_bytes(self) -> int:
        """One slot has room for the larger of the two fills."""
        return CHANNELS * self.size * self.size * FLOAT_BYTES

    @property
    def total_bytes(self) -> int:
        """The whole region. Memory is taken when a slot is first written."""
        return self.count * self.slot_bytes


def create(shape: SlotShape) -> int:
    """The descriptor of a new region."""
    descriptor = os.memfd_create("tintype-slots", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.ftruncate(descriptor, shape.total_bytes)
    fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL)
    return descriptor


def release(descriptor: int) -> None:
    """Close a region. Its memory is gone when no process has it mapped any more."""
    os.close(descriptor)


@final
class Slots:
    """A region as one process sees it."""

    def __init__(self, descriptor: int, shape: SlotShape, *, writable: bool) -> None:
        access = mmap.PROT_READ | (mmap.PROT_WRITE if writable else 0)
        self.shape = shape
        self._memory = mmap.mmap(descriptor, shape.total_bytes, mmap.MAP_SHARED, access)

    def pixels(self, slot: int) -> np.ndarray:
        """uint8 (size, size, 3): the slot's memory itself."""
        side = self.shape.size
        start, count = self._start(slot), side * side * CHANNELS
        return np.frombuffer(self._memory, np.uint8, count, start).reshape(side, side, CHANNELS)

    def tensor(self, slot: int) -> np.ndarray:
        """float32 (3, size, size): the slot's memory itself."""
        side = self.shape.size
        start, count = self._start(slot), side * side * CHANNELS
        return np.frombuffer(self._memory, np.float32, count, start).reshape(CHANNELS, side, side)

    def _start(self, slot: int) -> int:
        if not 0 <= slot < self.shape.count:
            raise IndexError(f"slot {slot} of {self.shape.count}")
        return slot * self.shape.slot_bytes
