"""Ranges and trials in Optuna's terms. Optuna is imported only by whoever calls (0.25 s)."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Literal

from tintype.tuning.objective import Direction
from tintype.tuning.ranges import Categorical, Continuous, Integer, Range, Value
from tintype.tuning.scaling import Scaling, resolved
from tintype.tuning.space import Space
from tintype.tuning.trial import Trial, TrialStatus

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.study import Study
    from optuna.trial import FrozenTrial

DIRECTIONS: dict[Direction, Literal["minimize", "maximize"]] = {
    Direction.MINIMIZE: "minimize",
    Direction.MAXIMIZE: "maximize",
}


def new_study(direction: Direction) -> Study:
    """An empty study in memory."""
    import optuna

    with _quiet():
        return optuna.create_study(direction=DIRECTIONS[direction])


def distributions_of(space: Space) -> dict[str, BaseDistribution]:
    """By the names of the ranges."""
    return {one.name: _distribution(one) for one in space.ranges}


def frozen(trial: Trial, space: Space, distributions: Mapping[str, BaseDistribution]) -> FrozenTrial:
    """A trial. One that was stopped is pruned, with its steps; one that failed too, without: the worst of all."""
    from optuna.trial import TrialState, create_trial

    state, steps = TrialState.RUNNING, {}
    if trial.status is TrialStatus.COMPLETED:
        state = TrialState.COMPLETE
    elif trial.status.is_finished:
        state = TrialState.PRUNED
        steps = dict(trial.history) if trial.status is TrialStatus.STOPPED else {}
    return create_trial(
        state=state,
        value=trial.value if state is TrialState.COMPLETE else None,
        params={one.name: _to_optuna(one, trial.hyperparameters[one.name]) for one in space.ranges},
        distributions=dict(distributions),
        intermediate_values=steps,
    )


def point_of(params: Mapping[str, Any], space: Space) -> dict[str, Value]:
    """The point that Optuna's parameters mean."""
    return {one.name: _from_optuna(one, params[one.name]) for one in space.ranges}


def _distribution(one: Range) -> BaseDistribution:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    match one:
        case Continuous():
            return FloatDistribution(0.0, 1.0)              # our scale: Optuna knows no reverse logarithm
        case Integer():
            logarithmic = resolved(one.scaling, one.low, one.high) is Scaling.LOGARITHMIC
            return IntDistribution(one.low, one.high, log=logarithmic)
        case Categorical():
            return CategoricalDistribution(range(len(one.values)))


def _to_optuna(one: Range, value: Value) -> float | int:
    match one:
        case Continuous():
            return one.to_unit(value)
        case Integer():
            return int(value)
        case Categorical():
            return one.values.index(value)


def _from_optuna(one: Range, value: float) -> Value:
    match one:
        case Continuous():
            return one.from_unit(value)
        case Integer():
            return int(value)
        case Categorical():
            return one.values[int(value)]


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Optuna announces every study in its log."""
    import optuna

    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(before)
