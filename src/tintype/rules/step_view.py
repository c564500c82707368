"""One step of a tensor log as rules see it: its names, values and reductions, each read at most once for all rules."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, final

import numpy as np

from tintype.debugger.modes import Mode
from tintype.errors import NotFound

if TYPE_CHECKING:
    from tintype.debugger.tensor_log import TensorLog


@final
@dataclass(frozen=True)
class StepView:
    """A step by its global number. The rules of a job share one view of each step, and so what was read."""

    log: TensorLog
    step: int                           # global
    mode: Mode                          # never GLOBAL unless the script set no mode at all
    mode_step: int
    _values: dict[str, np.ndarray | None] = field(default_factory=dict, repr=False)
    _numbers: dict[tuple[str, str, bool], float | None] = field(default_factory=dict, repr=False)

    @classmethod
    def at(cls, log: TensorLog, step: int) -> StepView:
        """The view of global step `step`. `NotFound` when the log has no such step."""
        mode, mode_step = log.mode_step(step)
        return cls(log, step, mode, mode_step)

    @property
    def is_training(self) -> bool:
        """The step updates weights: of mode TRAIN, or of a script that never sets a mode."""
        return self.mode in (Mode.TRAIN, Mode.GLOBAL)

    def names(self, regex: str | Iterable[str] | None = None, *, collection: str | None = None) -> list[str]:
        """Base names of what was saved at this step. An unknown collection has none."""
        pattern = regex if regex is None or isinstance(regex, str) else "|".join(f"(?:{one})" for one in regex)
        if collection is not None and collection not in self.log.collections:
            return []
        return self.log.names(pattern, collection=collection, mode=Mode.GLOBAL, step=self.step)

    def value(self, name: str) -> np.ndarray | None:
        """The tensor, or None when only reductions of it (or nothing) were saved at this step."""
        if name not in self._values:
            try:
                self._values[name] = self.log.value(name, self.step, Mode.GLOBAL)
            except NotFound:
                self._values[name] = None
        return self._values[name]

    def number(self, name: str, op: str, *, absolute: bool = False) -> float | None:
        """A reduction, stored or computed from the tensor; None when the log has neither."""
        key = (name, op, absolute)
        if key not in self._numbers:
            try:
                self._numbers[key] = self.log.reduction(name, self.step, op, absolute=absolute, mode=Mode.GLOBAL)
            except NotFound:
                self._numbers[key] = None
        return self._numbers[key]
