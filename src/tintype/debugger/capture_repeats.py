"""A tensor that comes by once more, unchanged: what leaves one layer enters the next, and need not be reduced again."""

from __future__ import annotations

import weakref
from typing import NamedTuple, final

from torch import Tensor

from tintype.debugger.capture_reductions import Wanted


class _Known(NamedTuple):
    tensor: weakref.ref[Tensor]         # it may be freed, and another have its place and its id
    version: int                        # PyTorch counts what is done to a tensor in place
    wanted: Wanted
    numbers: Tensor


@final
class Repeats:
    """The reductions of the tensors of one step. It keeps none of the tensors alive."""

    def __init__(self) -> None:
        self._known: dict[int, _Known] = {}

    def find(self, tensor: Tensor, wanted: Wanted) -> Tensor | None:
        """The reductions `wanted` of this very tensor, if they are known and it has not been changed since."""
        known = self._known.get(id(tensor))
        if known is None or known.tensor() is not tensor or known.wanted != wanted:
            return None
        return known.numbers if known.version == _version(tensor) else None

    def note(self, tensor: Tensor, wanted: Wanted, numbers: Tensor) -> None:
        """Remember them."""
        if (version := _version(tensor)) is not None:
            self._known[id(tensor)] = _Known(weakref.ref(tensor), version, wanted, numbers)


def _version(tensor: Tensor) -> int | None:
    return None if tensor.is_inference() else tensor._version       # in inference mode nobody counts
