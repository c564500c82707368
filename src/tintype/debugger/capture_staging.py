"""Copies of tensors in the host's memory, made without stopping the device and without new memory at every step.

A tensor that is saved whole must be copied at once, because the next optimiser step or an in-place layer changes it.
All tensors of one call go into one buffer, from a pool that keeps its buffers: the first touch of fresh memory costs
several times the copy. From a GPU they are gathered on the device, in the stream of the training, and brought over
from there to pinned memory in a stream of our own; the thread that writes the log waits for that, the training never.
"""

from __future__ import annotations

import math
import threading
from collections import Counter
from collections.abc import Sequence
from typing import Any, final

import numpy as np
import torch
from torch import Tensor

ALIGNMENT = 64                      # bytes
ROUNDING = 1 << 16                  # buffers are multiples of this, so that those of two steps fit each other
ROOMY = 1.25                        # a buffer may be this much larger than what it is taken for
KEPT_SETS = 4                       # how many free buffers of one size are kept

WIDENED = {torch.bfloat16, torch.float8_e4m3fn, torch.float8_e5m2}      # NumPy has no such types


@final
class BufferPool:
    """Byte buffers of the host that are used again. Any thread may give one back."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._free: dict[bool, list[Tensor]] = {False: [], True: []}

    def take(self, size: int, *, pinned: bool) -> Tensor:
        """A uint8 buffer of at least `size` bytes."""
        with self._lock:
            fitting = [one for one in self._free[pinned] if size <= one.numel() <= max(size * ROOMY, ROUNDING)]
            if fitting:
                smallest = min(fitting, key=Tensor.numel)
                self._free[pinned] = [one for one in self._free[pinned] if one is not smallest]
                return smallest
        rounded = max(1, math.ceil(size / ROUNDING)) * ROUNDING
        with torch.inference_mode(False):       # a buffer born in an evaluation must serve the training too
            return torch.empty(rounded, dtype=torch.uint8, pin_memory=pinned)

    def give(self, buffer: Tensor) -> None:
        """Take a buffer back; too many of one size are let go."""
        free = self._free[buffer.is_pinned()]
        with self._lock:
            if Counter(one.numel() for one in free)[buffer.numel()] < KEPT_SETS:
                free.append(buffer)

    def nbytes(self) -> int:
        """The memory of the buffers that wait to be used."""
        with self._lock:
            return sum(one.numel() for free in self._free.values() for one in free)


@final
class Snapshot:
    """Copies of some tensors as they were, in the order in which they were given."""

    def __init__(self, pool: BufferPool, tensors: Sequence[Tensor]) -> None:
        self._pool = pool
        self._views: list[Tensor | None] = [None] * len(tensors)
        self._buffers: list[Tensor] = []
        self._arrivals: list[torch.cuda.Event] = []
        self.shapes = [tuple(one.shape) for one in tensors]
        self.update(tensors)

    def update(self, tensors: Sequence[Tensor]) -> None:
        """Copy `tensors`, of the same shapes, types and devices, over those of before."""
        by_device: dict[torch.device, list[int]] = {}
        for index, tensor in enumerate(tensors):
            by_device.setdefault(tensor.device, []).append(index)
        fresh = not self._buffers
        for number, (device, indices) in enumerate(by_device.items()):
            chosen = [tensors[index] for index in indices]
            places, size = _places(chosen)
            if fresh:
                self._buffers.append(self._pool.take(size, pinned=device.type == "cuda"))
            views = _views(self._buffers[number], chosen, places)
            if device.type == "cuda":
                self._arrivals.append(_bring_over(self._buffers[number][:size], chosen, places))
            else:
                _copy(views, chosen)
            for index, view in zip(indices, views, strict=True):
                self._views[index] = view

    @property
    def nbytes(self) -> int:
        """The memory of the copies."""
        return sum(one.numel() for one in self._buffers)

    def arrays(self) -> list[tuple[np.ndarray[Any, Any], str]]:
        """(values, original type where it is not the array's) of each tensor; waits until they have arrived."""
        for arrival in self._arrivals:
            arrival.synchronize()
        return [as_array(one) for one in self._views if one is not None]

    def release(self) -> None:
        """Give the memory back: the arrays are not valid any more."""
        for buffer in self._buffers:
            self._pool.give(buffer)
        self._buffers, self._views = [], []


def as_array(tensor: Tensor) -> tuple[np.ndarray[Any, Any], str]:
    """A tensor of the host as an array, and the name of its type where NumPy has none like it."""
    if tensor.dtype in WIDENED:
        return tensor.float().numpy(), str(tensor.dtype).removeprefix("torch.")
    return tensor.numpy(), ""


def _places(tensors: Sequence[Tensor]) -> tuple[list[int], int]:
    places, position = [], 0
    for tensor in tensors:
        places.append(position)
        position += math.ceil(tensor.numel() * tensor.element_size() / ALIGNMENT) * ALIGNMENT
    return places, position


def _views(buffer: Tensor, tensors: Sequence[Tensor], places: Sequence[int]) -> list[Tensor]:
    return [
        buffer[place : place + one.numel() * one.element_size()].view(one.dtype).view(one.shape)
        for one, place in zip(tensors, places, strict=True)
    ]


def _copy(views: list[Tensor], tensors: list[Tensor]) -> None:
    filled = [(view, one) for view, one in zip(views, tensors, strict=True) if one.numel()]
    if filled:
        torch._foreach_copy_([view for view, _ in filled], [one for _, one in filled])  # pyright: ignore[reportPrivateImportUsage]


def _bring_over(buffer: Tensor, tensors: list[Tensor], places: Sequence[int]) -> torch.cuda.Event:
    device = tensors[0].device
    with torch.cuda.device(device):
        gathered = torch.empty(buffer.numel(), dtype=torch.uint8, device=device)
        _copy(_views(gathered, tensors, places), tensors)       # ordered before the optimiser changes them
        stream = _stream(device)
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            buffer.copy_(gathered, non_blocking=True)
            gathered.record_stream(stream)
            arrival = torch.cuda.Event()
            arrival.record(stream)
    return arrival


_STREAMS: dict[torch.device, torch.cuda.Stream] = {}


def _stream(device: torch.device) -> torch.cuda.Stream:
    if device not in _STREAMS:
        _STREAMS[device] = torch.cuda.Stream(device)
    return _STREAMS[device]
