"""How far weights have moved, from reductions alone: in deviations of their first values, per step and in all.

The lowest, highest, mean and deviation of a weight tensor move about as fast as a typical element does. Against the
true size of updates over trainings of many kinds this is right within a factor of three, at a thousandth of the cost of
saving weights whole.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import final

import numpy as np

from tintype.rules.attached import reduced
from tintype.rules.selection import weights
from tintype.rules.step_view import StepView

WEIGHTS = reduced("weights", "min,max,mean,std")
OPS = ("min", "max", "mean", "std")
FLAT = 1e-3                             # of its size: a tensor of less deviation has none to measure by

KEPT = 64                               # snapshots; of more, every other one is forgotten

Figures = tuple[float, float, float, float]


@final
@dataclass
class WeightTravel:
    """Follows every weight tensor; call `add` for each step of training."""

    first: dict[str, Figures] = field(default_factory=dict)
    last: dict[str, Figures] = field(default_factory=dict)
    farthest: dict[str, float] = field(default_factory=dict)            # from its start, in its first deviations
    early_moves: dict[str, list[float]] = field(default_factory=dict)   # per step, in deviations, of the first steps
    unmoved: set[str] = field(default_factory=set)                      # the same at every step so far
    snapshots: list[tuple[int, dict[str, Figures]]] = field(default_factory=list)      # (mode step, all tensors)
    steps: int = 0                      # of training that saved weights
    _mode_step: int = 0

    def add(self, step: StepView) -> bool:
        """Take the weights at `step`; False when none were saved."""
        found = {name: one for name in weights(step) if (one := figures(step, name)) is not None}
        if not found:
            return False
        adjacent = self.steps > 0 and step.mode_step == self._mode_step + 1
        for name, now in found.items():
            if name not in self.first:
                self.unmoved.add(name)
            start = self.first.setdefault(name, now)
            if now != start:
                self.unmoved.discard(name)
            if spread(start) > 0:
                far = distance(start, now) / spread(start)
                if np.isfinite(far):                # what is lost to NaN has not been thrown there by a long step
                    self.farthest[name] = max(self.farthest.get(name, 0.0), far)
                if adjacent and len(self.early_moves.setdefault(name, [])) < 10 and name in self.last:
                    before = self.last[name]
                    self.early_moves[name].append(distance(before, now) / max(spread(before), 1e-30))
            self.last[name] = now
        self.steps, self._mode_step = self.steps + 1, step.mode_step
        self.snapshots.append((step.mode_step, found))
        if len(self.snapshots) > KEPT:
            del self.snapshots[1::2]
        return True

    def travelled_since(self, mode_step: int) -> float:
        """How far the fastest tensor is from where it was at the last snapshot up to a step, in first deviations."""
        then = next((found for at, found in reversed(self.snapshots) if at <= mode_step), {})
        ways = [
            distance(one, self.last[name]) / spread(self.first[name])
            for name, one in then.items()
            if spread(self.first[name]) > 0
        ]
        return max((way for way in ways if np.isfinite(way)), default=0.0)

    @property
    def travelled(self) -> Mapping[str, float]:
        """How far each tensor came from where it began, at its farthest, in its first deviations."""
        return self.farthest

    @property
    def early_speed(self) -> Mapping[str, float]:
        """The median move of each tensor in one of its first steps, in deviations."""
        return {name: float(np.median(moves)) for name, moves in self.early_moves.items() if len(moves) >= 3}


def figures(step: StepView, name: str) -> Figures | None:
    """Lowest, highest, mean and deviation of a tensor of more than one element; None when one was not saved."""
    low, high, mean, deviation = (step.number(name, op) for op in OPS)
    if low is None or high is None or mean is None or deviation is None or (np.isnan(deviation) and np.isfinite(low)):
        return None
    return float(low), float(high), float(mean), float(deviation)


def spread(one: Figures) -> float:
    """The deviation, or 0 for a tensor that is all but constant (a norm's scale, a constant initialisation)."""
    return one[3] if one[3] > FLAT * max(abs(one[0]), abs(one[1])) else 0.0


def distance(one: Figures, other: Figures) -> float:
    """The largest difference of the four figures."""
    with np.errstate(invalid="ignore", over="ignore"):
        return float(np.max(np.abs(np.subtract(one, other))))
