"""How the learning rate moves: a factor of its highest value for every optimiser step. Pure functions of numbers."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import final

from torch.optim import Optimizer

from tintype.training.plan import SchedulePlan

ONE_CYCLE_RISE = 0.25           # share of all steps in which the one-cycle schedule rises, unless the plan says
ONE_CYCLE_START = 0.04          # where it begins


@final
@dataclass(frozen=True)
class Schedule:
    """A plan's schedule for a job of `epochs` epochs of `epoch_steps` optimiser steps each."""

    plan: SchedulePlan
    epoch_steps: int
    epochs: int

    @property
    def steps(self) -> int:
        """Optimiser steps in the whole job."""
        return self.epoch_steps * self.epochs

    @property
    def warmup_steps(self) -> int:
        """Steps in which the learning rate rises."""
        if self.plan.kind == "one-cycle" and not self.plan.warmup_epochs:
            return round(ONE_CYCLE_RISE * self.steps)
        return min(round(self.plan.warmup_epochs * self.epoch_steps), self.steps - 1)

    def factor(self, step: int) -> float:
        """What the learning rate is multiplied by in optimiser step `step`, from 0."""
        if step < self.warmup_steps:
            start = ONE_CYCLE_START if self.plan.kind == "one-cycle" else 0.0
            return start + (1 - start) * (step + 1) / (self.warmup_steps + 1)
        return SHAPES[self.plan.kind](self, step - self.warmup_steps)

    def apply(self, optimiser: Optimizer, step: int) -> float:
        """Set the learning rate of all groups for `step`; returns that of the first."""
        for group in optimiser.param_groups:
            group["lr"] = group["initial_lr"] * self.factor(step)
        return optimiser.param_groups[0]["lr"]


def _constant(schedule: Schedule, since: int) -> float:
    return 1.0


def _cosine(schedule: Schedule, since: int) -> float:
    return (1 + math.cos(math.pi * since / (schedule.steps - schedule.warmup_steps))) / 2


def _step(schedule: Schedule, since: int) -> float:
    return schedule.plan.step_factor ** math.floor(since / (schedule.plan.step_epochs * schedule.epoch_steps))


# kind -> factor as a function of the steps since the warm-up
SHAPES: dict[str, Callable[[Schedule, int], float]] = {
    "constant": _constant,
    "cosine": _cosine,
    "one-cycle": _cosine,
    "step": _step,
}
