"""Copies that are taken at once and read later."""

from __future__ import annotations

import threading

import numpy as np
import pytest
import torch
from torch import Tensor

from tintype.debugger.capture_staging import KEPT_SETS, ROUNDING, BufferPool, Snapshot

TENSORS: list[Tensor] = [
    torch.arange(6.0).view(2, 3),
    torch.zeros(0, 3),
    torch.tensor(5, dtype=torch.int64),
    torch.tensor([True, False]),
    torch.arange(24.0).view(1, 2, 3, 4).to(memory_format=torch.channels_last),
    torch.tensor([1 + 2j]),
    torch.ones(3).bfloat16(),
    torch.ones(2, 2).half(),
    torch.arange(12.0).view(3, 4).t(),
]


def test_a_snapshot_is_of_its_moment() -> None:
    tensors = [one.clone(memory_format=torch.preserve_format) for one in TENSORS]
    snapshot = Snapshot(BufferPool(), tensors)
    for one in tensors:
        one.zero_()
    for (array, original), expected in zip(snapshot.arrays(), TENSORS, strict=True):
        wide = expected.float() if expected.dtype is torch.bfloat16 else expected
        assert np.array_equal(array, wide.numpy())
        assert array.flags.c_contiguous
        assert original == ("bfloat16" if expected.dtype is torch.bfloat16 else "")
    assert snapshot.nbytes >= sum(one.nbytes for one in TENSORS)


def test_memory_is_taken_again_and_not_kept_without_end() -> None:
    pool = BufferPool()
    first = Snapshot(pool, [torch.zeros(ROUNDING)])
    place = first.arrays()[0][0].ctypes.data
    first.release()
    second = Snapshot(pool, [torch.ones(ROUNDING)])
    assert second.arrays()[0][0].ctypes.data == place
    many = [Snapshot(pool, [torch.ones(ROUNDING)]) for _ in range(2 * KEPT_SETS)]
    for one in many:
        one.release()
    assert pool.nbytes() == KEPT_SETS * 4 * ROUNDING


def test_an_update_writes_over_the_copies() -> None:
    snapshot = Snapshot(BufferPool(), [torch.zeros(3), torch.zeros(2, dtype=torch.int32)])
    snapshot.update([torch.ones(3), torch.full((2,), 7, dtype=torch.int32)])
    assert [array.tolist() for array, _ in snapshot.arrays()] == [[1, 1, 1], [7, 7]]


def test_a_buffer_of_an_evaluation_serves_a_training() -> None:
    pool = BufferPool()
    with torch.inference_mode():
        Snapshot(pool, [torch.ones(3)]).release()
    assert Snapshot(pool, [torch.zeros(3)]).arrays()[0][0].tolist() == [0, 0, 0]


def test_buffers_are_given_back_by_another_thread() -> None:
    pool = BufferPool()
    threads = [threading.Thread(target=lambda: [Snapshot(pool, [torch.ones(9)]).release() for _ in range(200)])
               for _ in range(4)]  # fmt: skip
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert 0 < pool.nbytes() <= KEPT_SETS * ROUNDING


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_from_a_device_without_waiting() -> None:
    here = torch.arange(1_000_000.0)
    there, other = here.cuda(), torch.ones(3, dtype=torch.bfloat16).cuda()
    torch.cuda.synchronize()
    torch.cuda.set_sync_debug_mode("error")
    try:
        snapshot = Snapshot(BufferPool(), [there, other, torch.tensor(2.0)])
        there.zero_()                                           # as the optimiser does, while the copy is under way
    finally:
        torch.cuda.set_sync_debug_mode("default")
    arrays = snapshot.arrays()
    assert np.array_equal(arrays[0][0], here.numpy())
    assert arrays[1][1] == "bfloat16"
    assert arrays[2][0] == 2.0
    snapshot.release()
