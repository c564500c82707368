"""Gradients as the optimiser will find them: taken at the end of each backward pass.

At that moment they are summed over the micro-batches so far and, under DistributedDataParallel, averaged over the
workers; they are not yet clipped. A loss that a GradScaler made larger is made small again. (smdebug takes what flows
into each parameter instead: the share of one micro-batch and one worker, at the scale of the loss.)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import final

import torch
from torch import Tensor
from torch.autograd import Variable
from torch.autograd.graph import register_multi_grad_hook
from torch.optim.optimizer import Optimizer


@final
class BackwardWatch:
    """Calls `begun` and `finished` around every backward pass that reaches one of `parameters`, until `close`."""

    def __init__(self, parameters: Sequence[Tensor], begun: Callable[[], None], finished: Callable[[], None]) -> None:
        self._begun = begun
        self._finished = finished
        self._handle = register_multi_grad_hook(parameters, self._reached, mode="any") if parameters else None

    def _reached(self, gradient: Tensor) -> None:
        if not torch.compiler.is_compiling():                   # the compiler follows this test, and sees no more of us
            self._begun()
        # A reducer of gradients ends its work in such a callback, which may be registered later than ours: so once
        # more round, and ours is the last.
        Variable._execution_engine.queue_callback(self._ending)

    def _ending(self) -> None:
        Variable._execution_engine.queue_callback(self._finished)

    def close(self) -> None:
        """Stop watching."""
        if self._handle is not None:
            self._handle.remove()
            self._handle = None


@final
class LeftGradients:
    """What is left of an optimiser's gradients when backward passes begin: nothing, where somebody clears them."""

    def __init__(self) -> None:
        self._least: dict[Optimizer, Tensor | None] = {}        # since its last step; None: there were none

    def look(self, optimisers: Iterable[Optimizer]) -> None:
        """A backward pass begins. One gradient speaks for all: the last, which is as a rule a small one."""
        for one in optimisers:
            gradients = (parameter.grad for group in one.param_groups for parameter in reversed(group["params"]))
            left = next((gradient for gradient in gradients if gradient is not None and not gradient.is_sparse), None)
            size = None if left is None else left.detach().abs().max()
            before = self._least.get(one, size)
            self._least[one] = None if size is None or before is None else torch.minimum(before, size)

    def stepped(self, optimiser: Optimizer) -> Tensor | None:
        """The least that was left since the optimiser's step before; None when nothing was."""
        return self._least.pop(optimiser, None)


def unscaled(gradients: list[Tensor], scale: Tensor | None) -> list[Tensor]:
    """The gradients of the loss itself, when it was multiplied with `scale` before the backward pass."""
    if scale is None or not gradients:
        return gradients
    factor = scale.detach().double().reciprocal().float()
    return [one * factor.to(one.device) if not one.is_sparse else one for one in gradients]
