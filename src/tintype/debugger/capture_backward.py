"""What a script differentiates: its loss, where no function or module of PyTorch computed it.

`loss.backward()`, `torch.autograd.backward(...)` and `torch.autograd.grad(...)` all go through two functions of
`torch.autograd`, which are replaced while somebody listens.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, final

import torch
from torch import Tensor

Listener = Callable[[Any, Any], None]           # (what is differentiated, the gradients it is given)


@final
class DifferentiationWatch:
    """Tells `hear` of every differentiation, before it, from `start` to `stop`."""

    NAMES = ("backward", "grad")

    def __init__(self, hear: Listener) -> None:
        self._hear = hear
        self._originals: dict[str, Callable[..., Any]] = {}

    def start(self) -> None:
        """Replace the functions."""
        for name in self.NAMES:
            self._originals[name] = getattr(torch.autograd, name)
            setattr(torch.autograd, name, self._watched(self._originals[name]))

    def stop(self) -> None:
        """Put them back, unless somebody has replaced them since; the second time does nothing."""
        for name, original in self._originals.items():
            if getattr(getattr(torch.autograd, name), "__wrapped__", None) is original:
                setattr(torch.autograd, name, original)
        self._originals = {}

    def _watched(self, original: Callable[..., Any]) -> Callable[..., Any]:
        second = "grad_outputs" if original.__name__ == "grad" else "grad_tensors"
        place = 2 if original.__name__ == "grad" else 1

        @functools.wraps(original)
        def watched(*args: Any, **kwargs: Any) -> Any:
            if not torch.compiler.is_compiling():
                first = args[0] if args else kwargs.get("tensors", kwargs.get("outputs"))
                self._hear(first, args[place] if len(args) > place else kwargs.get(second))
            return original(*args, **kwargs)

        return watched


def differentiated(tensors: Any, gradients: Any) -> Tensor | None:
    """The one number whose derivative is asked for: the sum of `tensors`, each weighted with its gradient.

    None where that cannot be said: of what is no tensor, or of several numbers without weights, which PyTorch refuses.
    """
    outputs = _listed(tensors)
    weights = _listed(gradients) or [None] * len(outputs)
    if not outputs or len(weights) != len(outputs) or not all(isinstance(one, Tensor) for one in outputs):
        return None
    parts = [_weighted(output, weight) for output, weight in zip(outputs, weights, strict=True)]
    known = [one for one in parts if one is not None]
    return sum(known[1:], known[0]) if len(known) == len(parts) else None


def _weighted(output: Tensor, weight: Any) -> Tensor | None:
    value = output.detach()
    if weight is None:
        return value.reshape(()) if value.numel() == 1 else None
    return (value * weight.detach()).sum() if isinstance(weight, Tensor) else None


def _listed(value: Any) -> list[Any]:
    if value is None:
        return []
    return list(value) if isinstance(value, Sequence) and not isinstance(value, Tensor) else [value]
