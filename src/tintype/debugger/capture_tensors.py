"""Which of the things that pass through a network are tensors, and how each can be read without disturbing it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Any

import torch
from torch import Tensor
from torch._C._functorch import maybe_current_level

DENSE_LIMIT = 1 << 27           # elements of a sparse tensor that are still spelt out
_set_compiler: Any = torch._C._dynamo.eval_frame.set_eval_frame     # type: ignore[attr-defined]  gives the one before
DEEPEST = 8                     # levels of tuples in tuples


def tensors_in(value: Any, depth: int = 0) -> Iterator[Tensor]:
    """The tensors in what a module takes or returns, in order: alone, or in tuples, lists, dicts and dataclasses."""
    if isinstance(value, Tensor):
        yield value
    elif depth > DEEPEST:
        return
    elif isinstance(value, tuple | list):
        for one in value:
            yield from tensors_in(one, depth + 1)
    elif isinstance(value, Mapping):                            # a ModelOutput is one
        for one in value.values():
            yield from tensors_in(one, depth + 1)
    elif is_dataclass(value):
        for one in fields(value):
            yield from tensors_in(getattr(value, one.name), depth + 1)


def watching_is_safe() -> bool:
    """False where code is being traced rather than run, so that its tensors are not values.

    The first test must stay the first: the compiler follows it and leaves the rest of a hook out of its graph.
    """
    if torch.compiler.is_compiling():
        return False
    tracing = torch._C._get_tracing_state() or maybe_current_level() is not None
    return not tracing and not torch._C._len_torch_dispatch_stack()         # of the compiler's later stages


@contextlib.contextmanager
def uncompiled() -> Iterator[None]:
    """Within it nothing is compiled: what a compiled function's backward pass calls would be, with all it calls."""
    before = _set_compiler(None)
    try:
        yield
    finally:
        _set_compiler(before)


def readable(tensor: Tensor) -> Tensor | None:
    """A plain, dense tensor that shares `tensor`'s memory where it can; None for one that has no values to read."""
    tensor = tensor.detach()
    if tensor.device.type == "meta" or tensor.is_nested:
        return None
    if type(tensor) is not Tensor:
        local = getattr(tensor, "to_local", None)               # a DTensor: this worker's part of it
        tensor = local() if local is not None else tensor.as_subclass(Tensor)
        if type(tensor) is not Tensor:                          # a fake one
            return None
    if tensor.layout is not torch.strided:
        return tensor.to_dense() if tensor.numel() <= DENSE_LIMIT else None
    if tensor.is_quantized:
        return tensor.dequantize()
    return tensor.resolve_conj().resolve_neg()


def flat(tensor: Tensor) -> Tensor:
    """All elements in the order of the memory: a view, when the memory has no holes (channels_last has none)."""
    if tensor.is_contiguous():
        return tensor.view(-1)
    order = sorted(range(tensor.ndim), key=lambda axis: -tensor.stride(axis))
    return tensor.permute(order).reshape(-1)
