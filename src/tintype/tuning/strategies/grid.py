"""Grid search: every combination once.

For spaces whose points can be counted: categorical and integer ranges, and continuous ones of which `points` values
are taken, evenly over their scale and with both ends. Combinations are not tried in the order of nested loops but in
strides of about the golden ratio of their number, so that a grid that is cut short (by max_jobs, a runtime, a target)
has been everywhere and not only in one corner. There is no randomness. Cost: microseconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import gcd
from typing import final

from tintype.errors import InvalidRequest
from tintype.tuning.ranges import Categorical, Continuous, Range
from tintype.tuning.space import Point, Space
from tintype.tuning.strategies.strategy import Strategy, seen
from tintype.tuning.trial import Trial

GOLDEN = 0.6180339887498949


@final
@dataclass(frozen=True)
class GridSearch(Strategy):
    """All points of `space`, which must have an end; `counted` makes one that has."""

    space: Space

    def __post_init__(self) -> None:
        if self.space.size is None:
            raise InvalidRequest("a grid over a continuous range has no end; say how many values to try (grid_points)")

    def suggest(self, trials: Sequence[Trial]) -> Point | None:
        """The next combination; None after the last."""
        size = self.space.size or 1
        known = seen(self.space, trials)
        stride = _stride(size)
        for turn in range(size):
            point = self.space.numbered((len(trials) + turn) * stride % size)
            if self.space.key(point) not in known:
                return point
        return None


def counted(space: Space, points: int | None) -> Space:
    """`space` with every continuous range replaced by `points` of its values; as it is when `points` is None."""
    return space if points is None else Space(tuple(_listed(one, points) for one in space.ranges))


def _listed(one: Range, points: int) -> Range:
    if not isinstance(one, Continuous):
        return one
    units = [position / (points - 1) for position in range(points)] if points > 1 else [0.5]
    return Categorical(one.name, tuple(dict.fromkeys(one.from_unit(u) for u in units)))


def _stride(size: int) -> int:
    """The number nearest above the golden section of `size` that visits all of `size` before it comes round."""
    stride = max(round(size * GOLDEN), 1)
    while gcd(stride, size) != 1:
        stride += 1
    return stride
