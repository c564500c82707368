"""When a trial that is still training is not worth going on with.

The median rule, as SageMaker's early stopping "Auto" describes it: at each report of a trial, take for every trial that
has ended and that came at least this far the running average of its objective up to the same step. A trial whose newest
value is worse than the median of these averages is stopped. Before `EARLIER_TRIALS` of them came this far no trial is
stopped, so the first ones never are. Values that are not finite count as worst.

Pure: rules see frozen trials and answer with a reason, or None to let the trial go on.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, median
from typing import Protocol, final

from tintype.tuning.objective import Direction
from tintype.tuning.trial import History, Trial

EARLIER_TRIALS = 3      # SageMaker does not publish its number; with fewer a median says little


class StopRule(Protocol):
    """Judges one trial after new reports."""

    def reason_to_stop(self, trial: Trial, trials: Sequence[Trial], judged: int) -> str | None:
        """Why `trial`, which has a history, should stop now.

        `trials` are all of its tuning job, itself included. `judged` is how many entries of its history were there
        when it was judged the last time.
        """
        ...


@final
@dataclass(frozen=True)
class NeverStop:
    """Early stopping "Off"."""

    def reason_to_stop(self, trial: Trial, trials: Sequence[Trial], judged: int) -> str | None:
        """None."""
        return None


@final
@dataclass(frozen=True)
class MedianRule:
    """Early stopping "Auto"."""

    direction: Direction

    def reason_to_stop(self, trial: Trial, trials: Sequence[Trial], judged: int) -> str | None:
        """A reason when the newest value is worse than the median of the running averages of earlier trials."""
        step, value = trial.history[-1]
        averages = [
            running_average(other.history, step, self.direction)
            for other in trials
            if other.status.is_finished and other.number != trial.number and _reached(other.history, step)
        ]
        if len(averages) < EARLIER_TRIALS:
            return None
        middle = median(averages)
        if not self.direction.is_better(middle, value):
            return None
        others = f"the median of {len(averages)} trials up to there"
        return f"early stopping: {value:g} at step {step} is worse than {middle:g}, {others}"


def running_average(history: History, step: int, direction: Direction) -> float:
    """The mean of a history up to and including `step`; the worst possible value when one of them is not finite."""
    mean = fmean(value for at, value in history if at <= step)
    if math.isfinite(mean):
        return mean
    return math.inf if direction is Direction.MINIMIZE else -math.inf


def _reached(history: History, step: int) -> bool:
    return any(at >= step for at, _ in history) and any(at <= step for at, _ in history)
