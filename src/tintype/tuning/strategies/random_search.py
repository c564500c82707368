"""Random search: every trial is drawn by itself, evenly over each range's scale.

Hard to beat with many parallel trials, and the yardstick for the other strategies. A point of a space that can be
counted is drawn once only: one that was seen is drawn again, and when luck does not help the nearest unseen one is
taken. Cost: microseconds. Source: Bergstra and Bengio, Random Search for Hyper-Parameter Optimization, JMLR 2012.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

from tintype.tuning.earlier import WarmStart
from tintype.tuning.space import Point, Space
from tintype.tuning.strategies.strategy import Strategy, earlier_keys, random_for, seen
from tintype.tuning.trial import Trial

DRAWS = 50      # keeps the choice among unseen points even until almost all of them were seen


@final
@dataclass(frozen=True)
class RandomSearch(Strategy):
    """Independent draws."""

    space: Space
    seed: int
    warm_start: WarmStart | None = None         # points of identical tuning jobs are not drawn again

    def suggest(self, trials: Sequence[Trial]) -> Point | None:
        """A point that was not tried; None when there is none."""
        random, known = random_for(self.seed, trials), seen(self.space, trials)
        known |= earlier_keys(self.space, self.warm_start)
        point = self.space.draw(random)
        for _ in range(DRAWS):
            if self.space.key(point) not in known:
                return point
            point = self.space.draw(random)
        return self.space.near(point, known, random)
