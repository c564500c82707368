"""What counts as a step, and the numbers of steps.

smdebug counts forward passes of the root, so that four micro-batches that are summed up before one optimiser step are
four steps, and a network that is called three times for one batch makes three. That count is kept for scripts written
for it. Otherwise a step of training is what ends with an optimiser's step; an evaluation has none, and counts forward
passes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import final

from tintype.debugger.event import Moment
from tintype.debugger.modes import Mode


class Accounting(Enum):
    """What makes a step."""

    FORWARDS = "forwards"                   # each call of a root, as in smdebug
    OPTIMISER_STEPS = "optimiser steps"     # in training; else each call of a root


@final
@dataclass
class StepCount:
    """Numbers of steps from 0, over all modes (`step`) and in each (`mode_steps`). -1 before the first."""

    step: int = -1
    mode_steps: dict[Mode, int] = field(default_factory=dict)
    mode: Mode | None = None                # of the last step

    def mode_step(self, mode: Mode) -> int:
        """The number of the last step of `mode`."""
        return self.step if mode is Mode.GLOBAL else self.mode_steps.get(mode, -1)

    def advance(self, mode: Mode) -> int:
        """Begin the next step, of `mode`; gives its number within the mode."""
        self.step += 1
        self.mode = mode
        self.mode_steps[mode] = self.step if mode is Mode.GLOBAL else self.mode_steps.get(mode, -1) + 1
        return self.mode_steps[mode]

    def retreat(self) -> None:
        """The last step has not been: the next one has its numbers."""
        if self.mode is not None:
            self.mode_steps[self.mode] -= 1
            self.step -= 1
            self.mode = None

    def moment(self, wall_time: float) -> Moment:
        """The last step; the first one, when none has begun."""
        mode = self.mode or Mode.GLOBAL
        return Moment(max(self.step, 0), mode, max(self.mode_steps.get(mode, 0), 0), wall_time)
