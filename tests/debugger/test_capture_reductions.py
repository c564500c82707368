"""The reductions on torch tensors are those of NumPy, by either of the two ways in which they are computed."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from tintype.debugger.capture_reductions import PIECE, SMALL, as_real, reduce_all, size_of
from tintype.debugger.reductions import HISTOGRAM_BINS, REDUCTIONS, reduce

torch.set_num_threads(1)

EVERY = tuple((op, absolute) for op in REDUCTIONS for absolute in (False, True))


def check(tensor: Tensor, numbers: Tensor) -> None:
    array = tensor.detach().float().numpy() if tensor.dtype is torch.bfloat16 else tensor.detach().numpy()
    position = 0
    for op, absolute in EVERY:
        found = numbers[position : position + size_of(op)].numpy()
        position += size_of(op)
        with np.errstate(all="ignore"):
            expected = np.float32(reduce(array, op, absolute=absolute).reshape(-1))
        if op == "histogram" and expected.size > 1:             # an element at an edge may fall to either side
            assert np.allclose(found[:2], expected[:2], rtol=1e-5, atol=1e-6)
            assert np.abs(found[2:] - expected[2:]).sum() <= 2 + 0.01 * expected[2:].sum()
        elif expected.size == size_of(op):
            numbers_of = np.abs(np.float64(array)) if array.dtype.kind in "fiu" else np.zeros(1)
            near = 1e-6 * (1 + numbers_of[np.isfinite(numbers_of)].max(initial=0))
            assert np.allclose(found, expected, rtol=2e-3, atol=near, equal_nan=True), (op, absolute)
        else:
            assert np.isnan(found).all()                        # of nothing


GENERATOR = torch.Generator().manual_seed(1)
LARGE = torch.randn(2 * PIECE + 77, generator=GENERATOR)
TENSORS = {
    "large": LARGE,
    "far from zero": 100 + LARGE * 1e-3,
    "sparse": LARGE.relu(),
    "bad": torch.cat([LARGE, torch.tensor([float("nan"), float("inf")])]),
    "small": LARGE[:64],
    "one": torch.tensor(3.0),
    "nothing": torch.zeros(0, 2),
    "channels last": LARGE[: 8 * SMALL].view(8, 8, 16, -1).to(memory_format=torch.channels_last),
    "strided": LARGE.view(1, -1)[:, ::3],
    "bfloat16": LARGE[:5000].bfloat16(),
    "float16": LARGE[:500].half(),
    "double": LARGE[:500].double(),
    "int64": torch.arange(-50, 6000),
    "uint8": torch.arange(200, dtype=torch.uint8),
    "bool": LARGE > 0,
    "complex": torch.complex(LARGE[:99], LARGE[99:198]),
}


@pytest.mark.parametrize("name", TENSORS)
def test_every_reduction_of(name: str) -> None:
    tensor = TENSORS[name]
    (numbers,) = reduce_all([tensor], EVERY)
    assert numbers.dtype is torch.float32
    check(tensor, numbers)


def test_small_ones_of_one_size_are_done_together() -> None:
    tensors = [LARGE[64 * number : 64 * (number + 1)] for number in range(5)] + [LARGE[:7], LARGE]
    for tensor, numbers in zip(tensors, reduce_all(tensors, EVERY), strict=True):
        check(tensor, numbers)


@given(st.lists(st.floats(width=32, allow_nan=True, allow_infinity=True), max_size=40))
def test_any_numbers(values: list[float]) -> None:
    tensor = torch.tensor(values, dtype=torch.float32)
    (numbers,) = reduce_all([tensor], (("min", False), ("max", True), ("zeros", False), ("nonfinite", False)))
    array = np.array(values, dtype=np.float32)
    wanted = [reduce(array, "min"), reduce(array, "max", absolute=True), reduce(array, "zeros"),
              reduce(array, "nonfinite")]  # fmt: skip
    assert np.allclose(numbers.numpy(), np.float32(wanted), equal_nan=True)


def test_sizes() -> None:
    assert size_of("histogram") == HISTOGRAM_BINS + 2
    assert size_of("mean") == 1
    assert as_real(torch.tensor([True])).dtype is torch.float32


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("name", TENSORS)
def test_on_the_device_and_without_waiting(name: str) -> None:
    tensor = TENSORS[name]
    there = tensor.cuda()
    reduce_all([there], EVERY)                                  # what is constant is brought over once
    torch.cuda.synchronize()
    torch.cuda.set_sync_debug_mode("error")
    try:
        (numbers,) = reduce_all([there], EVERY)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert numbers.is_cuda
    check(tensor, numbers.cpu())
