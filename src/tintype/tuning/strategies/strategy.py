"""What every strategy is: a decision about the next trial, from the trials so far and nothing else."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from random import Random

from tintype.tuning.earlier import WarmStart, WarmStartType
from tintype.tuning.space import Key, Point, Space
from tintype.tuning.trial import Trial


class Strategy(ABC):
    """Suggests what to try next.

    The answer depends only on how the strategy was made (space, seed, ...) and on `trials`. So a coordinator that
    starts anew with the trials of its predecessor gets the suggestion that the predecessor would have got, and with
    one worker the same seed gives the same trials. A strategy may keep what it worked out, but never something it was
    not told.
    """

    @abstractmethod
    def suggest(self, trials: Sequence[Trial]) -> Point | None:
        """The hyperparameters of trial number `len(trials) + 1`; None when everything has been tried.

        `trials` are all trials of the tuning job in the order of their numbers, those still running included.
        """


def random_for(seed: int, trials: Sequence[Trial]) -> Random:
    """The source of randomness of the next trial: its own for every seed and number."""
    return Random(f"{seed}/{len(trials) + 1}")


def seen(space: Space, trials: Sequence[Trial]) -> set[Key]:
    """The points of `space` that were tried, whatever came of it."""
    return {space.key(trial.hyperparameters) for trial in trials}


def earlier_keys(space: Space, warm_start: WarmStart | None) -> set[Key]:
    """The points that identical tuning jobs have tried before this one, so that none is paid for twice."""
    if warm_start is None or warm_start.type is not WarmStartType.IDENTICAL:
        return set()
    return {space.key(one.hyperparameters) for one in warm_start.trials}
