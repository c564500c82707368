"""Hyperband: many trials begin, few are trained to the end.

The resource is the steps (epochs) of a trial's reports, from `minimum` to `maximum`. A rung is a step at which a trial
is compared: only the best third of all trials of the same bracket that came so far goes on, the others are stopped
there and then. Rungs lie at minimum, 3 × minimum, 9 × minimum, ...; bracket 0 has all of them, bracket 1 leaves out
the first, and so on to the last, which stops nothing or late, so that slow starters get their chance. Brackets take
turns in proportions that give each about the same total of steps. Trials are judged as they come, without waiting for
others (asynchronous, as ASHA), so the first to reach a rung always goes on.

Trials are suggested by the strategy given, Bayesian search in the table of strategies (together: BOHB without
waiting). Cost: that strategy's. Reports must come at every epoch. A hyperparameter that means epochs is held at its
largest value. Source: Li et al., Hyperband, JMLR 2018; Li et al., A System for Massively Parallel Hyperparameter
Tuning, MLSys 2020.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

from tintype.tuning.objective import Direction
from tintype.tuning.settings import Resource
from tintype.tuning.space import Point
from tintype.tuning.strategies.strategy import Strategy
from tintype.tuning.trial import History, Trial

REDUCTION = 3       # one of so many goes on at each rung


@final
@dataclass(frozen=True)
class Hyperband(Strategy):
    """Suggestions from another strategy, and the rule that stops trials (it is a `StopRule`)."""

    suggestions: Strategy
    resource: Resource
    direction: Direction

    def suggest(self, trials: Sequence[Trial]) -> Point | None:
        """What the other strategy suggests."""
        return self.suggestions.suggest(trials)

    def reason_to_stop(self, trial: Trial, trials: Sequence[Trial], judged: int) -> str | None:
        """A reason when `trial` reached a rung since it was judged and is not in the best third there."""
        rung = _newly_reached(trial.history, judged, self.rungs(self.bracket(trial.number)))
        own = None if rung is None else _value_at(trial.history, rung)
        if rung is None or own is None:
            return None
        peers = [other for other in trials if self.bracket(other.number) == self.bracket(trial.number)]
        values = [value for other in peers if (value := _value_at(other.history, rung)) is not None]
        places = max(len(values) // REDUCTION, 1)
        ahead = sum(self.direction.is_better(other, own) for other in values)
        if ahead < places:
            return None
        return f"hyperband: {own:g} at step {rung} is number {ahead + 1} of {len(values)}, and {places} may go on"

    @property
    def brackets(self) -> int:
        """How many brackets there are."""
        count, step = 1, self.resource.minimum * REDUCTION
        while step <= self.resource.maximum:
            count, step = count + 1, step * REDUCTION
        return count

    def rungs(self, bracket: int) -> tuple[int, ...]:
        """The steps at which trials of a bracket are compared, ascending and below the maximum."""
        steps = (self.resource.minimum * REDUCTION**power for power in range(bracket, self.brackets + 1))
        return tuple(step for step in steps if step < self.resource.maximum)

    def bracket(self, number: int) -> int:
        """The bracket of trial `number`, which counts from 1."""
        turns = self._turns()
        return turns[(number - 1) % len(turns)]

    def _turns(self) -> list[int]:
        """One round of brackets, each as often as it should come, well mixed."""
        last = self.brackets - 1
        shares = [-(-(last + 1) // (last - bracket + 1)) * REDUCTION ** (last - bracket) for bracket in range(last + 1)]
        given = [0] * len(shares)
        turns: list[int] = []
        for _ in range(sum(shares)):
            bracket = min(range(len(shares)), key=lambda one: (given[one] + 1) / shares[one])
            given[bracket] += 1
            turns.append(bracket)
        return turns


def _newly_reached(history: History, judged: int, rungs: Sequence[int]) -> int | None:
    """The highest rung that a history reached after its first `judged` entries."""
    before = max((step for step, _ in history[:judged]), default=-1)
    now = max(step for step, _ in history)
    return max((rung for rung in rungs if before < rung <= now), default=None)


def _value_at(history: History, rung: int) -> float | None:
    """The value of the first report at or behind `rung`."""
    return next((value for step, value in history if step >= rung), None)
