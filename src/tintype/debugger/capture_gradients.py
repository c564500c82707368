"""Gradients as the optimiser will find them: taken at the end of each backward pass.

At that moment they are summed over the micro-batches so far and, under DistributedDataParallel, averaged over the
workers; they are not yet clipped. A loss that a GradScaler made larger is made small again. (smdebug takes what flows
into each parameter instead: the share of one micro-batch and one worker, at the scale of the loss.)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import final

from torch import Tensor
from torch.autograd import Variable
from torch.autograd.graph import register_multi_grad_hook


@final
class BackwardWatch:
    """Calls `finished` after every backward pass that reaches one of `parameters`, until `close`."""

    def __init__(self, parameters: Sequence[Tensor], finished: Callable[[], None]) -> None:
        self._finished = finished
        self._handle = register_multi_grad_hook(parameters, self._reached, mode="any") if parameters else None

    def _reached(self, gradient: Tensor) -> None:
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


def unscaled(gradients: list[Tensor], scale: Tensor | None) -> list[Tensor]:
    """The gradients of the loss itself, when it was multiplied with `scale` before the backward pass."""
    if scale is None or not gradients:
        return gradients
    factor = scale.detach().double().reciprocal().float()
    return [one * factor.to(one.device) if not one.is_sparse else one for one in gradients]
