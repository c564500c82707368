"""Running a strategy without a tuner: every trial is trained at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from tintype.tuning.space import Point
from tintype.tuning.strategies import Strategy
from tintype.tuning.trial import Trial, TrialStatus


def completed(number: int, point: Point, value: float) -> Trial:
    """A trial that ended well."""
    trial = Trial(number, f"t-{number:03d}", point, tuple(point))
    return replace(trial, status=TrialStatus.COMPLETED, value=value, history=((1, value),))


def searched(strategy: Strategy, objective: Callable[[Point], float], count: int) -> list[Trial]:
    """The trials of a search with one worker; fewer than `count` when the strategy runs out."""
    trials: list[Trial] = []
    while len(trials) < count and (point := strategy.suggest(trials)) is not None:
        trials.append(completed(len(trials) + 1, point, objective(point)))
    return trials
