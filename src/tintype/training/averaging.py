"""An exponential moving average of the weights, which often does better than the weights themselves.

The average begins as a plain one, so that the first steps do not weigh on a short job: the decay in step n is at most
(1 + n) / (10 + n).
"""

from __future__ import annotations

import copy
from typing import Any, final

import torch
from torch import (
    _foreach_lerp_ as foreach_lerp_,  # pyright: ignore[reportPrivateImportUsage]
)
from torch import nn


@final
class WeightAverage:
    """The average of a module's floating weights and statistics; other buffers are copied. Decay 0 means none."""

    def __init__(self, module: nn.Module, decay: float) -> None:
        self._live = module
        self._decay = decay
        self._steps = 0
        self._average = copy.deepcopy(module).requires_grad_(False) if decay else None

    @property
    def module(self) -> nn.Module:
        """What to evaluate and keep: the average, or the module itself without one."""
        return self._live if self._average is None else self._average

    @torch.no_grad()
    def update(self) -> None:
        """Take in the weights after an optimiser step."""
        if self._average is None:
            return
        self._steps += 1
        decay = min(self._decay, (1 + self._steps) / (10 + self._steps))
        pairs = list(zip(self._average.state_dict().values(), self._live.state_dict().values(), strict=True))
        floats = [(old, new) for old, new in pairs if old.is_floating_point()]
        foreach_lerp_([old for old, _ in floats], [new for _, new in floats], 1 - decay)
        for old, new in pairs:
            if not old.is_floating_point():
                old.copy_(new)

    def state_dict(self) -> dict[str, Any]:
        """For a checkpoint."""
        return {"steps": self._steps, "weights": None if self._average is None else self._average.state_dict()}

    def load_state_dict(self, state_dict: dict[str, Any], /) -> None:
        """The inverse of `state_dict`."""
        self._steps = state_dict["steps"]
        if self._average is not None:
            self._average.load_state_dict(state_dict["weights"])
