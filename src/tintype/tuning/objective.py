"""Which way is better, and which of a trial's values counts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from enum import Enum


class Direction(Enum):
    """Whether small or large values of the objective are good. The values are SageMaker's words."""

    MINIMIZE = "Minimize"
    MAXIMIZE = "Maximize"

    def is_better(self, one: float, other: float) -> bool:
        """Whether `one` beats `other`; a value that is not finite beats nothing and loses to any that is."""
        if not math.isfinite(one) or not math.isfinite(other):
            return math.isfinite(one) and not math.isfinite(other)
        return one < other if self is Direction.MINIMIZE else one > other

    def rank(self, value: float) -> float:
        """A key to sort by, the best first and what is not finite last."""
        if not math.isfinite(value):
            return math.inf
        return value if self is Direction.MINIMIZE else -value


class Counted(Enum):
    """Which of the values that a trial reported is its value.

    LAST is what SageMaker does: the newest value, even when an earlier one was better. It is right when the model that
    is kept is the one at the end. BEST is right when the model of the best epoch is kept, as the built-in trainer does
    with `save="best"`; so the main job, whose archive holds the best epoch, asks for BEST.
    """

    LAST = "last"
    BEST = "best"

    def pick(self, history: Sequence[tuple[int, float]], direction: Direction) -> float | None:
        """The value that counts of a history of (step, value), oldest first; None when nothing was reported."""
        if not history:
            return None
        values = [value for _, value in history]
        return values[-1] if self is Counted.LAST else min(values, key=direction.rank)
