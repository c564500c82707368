"""Bayesian search: trials are drawn where good ones are dense and bad ones are not (tree-structured Parzen estimator).

The first trials, a quarter of all but at least 4 and at most 10, are a Latin hypercube: of four, each has its learning
rate in another quarter of the range, and so on for every hyperparameter. After them Optuna's TPE sampler suggests,
looking at all hyperparameters together (multivariate) and counting trials that still run as bad, so that parallel
trials do not crowd (constant liar). Stopped trials count by how far they came and how good they were there; failed
ones as the worst of all, so that a region where training breaks is avoided.

TPE likes to repeat a good point of a small space. When the point it wants was tried, the nearest one that was not is
taken instead, until none is left.

Cost: a few milliseconds per suggestion. Optuna (0.25 s to import, and only here) gives suggestions and keeps nothing:
its study lives in memory and follows our trials. Out of scope: several objectives, constraints.
Source: Bergstra et al., Algorithms for Hyper-Parameter Optimization, NIPS 2011; Watanabe, arXiv 2304.11127.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from random import Random
from typing import TYPE_CHECKING, Literal, final

from tintype.tuning.objective import Direction
from tintype.tuning.ranges import Categorical, Continuous, Integer, Range, Value
from tintype.tuning.scaling import Scaling, resolved
from tintype.tuning.space import Point, Space
from tintype.tuning.strategies.strategy import Strategy, random_for, seen
from tintype.tuning.trial import Trial, TrialStatus

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.study import Study
    from optuna.trial import FrozenTrial

FEWEST_FIRST_TRIALS = 4
MOST_FIRST_TRIALS = 10

DIRECTIONS: dict[Direction, Literal["minimize", "maximize"]] = {
    Direction.MINIMIZE: "minimize",
    Direction.MAXIMIZE: "maximize",
}


@final
class BayesianSearch(Strategy):
    """TPE over `space`; `max_jobs` decides how many of the first trials are spread evenly."""

    def __init__(self, space: Space, direction: Direction, seed: int, max_jobs: int) -> None:
        self._space = space
        self._direction = direction
        self._seed = seed
        self._first = min(max(max_jobs // 4, FEWEST_FIRST_TRIALS), MOST_FIRST_TRIALS)
        self._evidence: _Evidence | None = None

    def suggest(self, trials: Sequence[Trial]) -> Point | None:
        """The most promising point that was not tried; None when there is none."""
        random = random_for(self._seed, trials)
        if sum(trial.status.is_finished for trial in trials) < self._first:
            wanted = spread(self._space, len(trials), self._first, self._seed)
        else:
            wanted = self._estimate(trials, random)
        return self._space.near(wanted, seen(self._space, trials), random)

    def _estimate(self, trials: Sequence[Trial], random: Random) -> Point:
        if self._evidence is None or not self._evidence.agrees_with(trials):
            self._evidence = _Evidence(self._space, self._direction)
        return self._evidence.estimate(trials, random.randrange(2**32))


def spread(space: Space, index: int, count: int, seed: int) -> Point:
    """Point `index`, from 0, of a Latin hypercube, which puts `count` points into `count` parts of every range.

    The next `count` points are another hypercube, and so on.
    """
    block, position = divmod(index, count)
    random = Random(f"{seed}/spread/{block}")
    units: dict[str, float] = {}
    for name in space.names:
        parts = random.sample(range(count), count)
        shifts = [random.random() for _ in parts]
        units[name] = (parts[position] + shifts[position]) / count
    return space.from_unit(units)


class _Evidence:
    """An Optuna study that follows our trials.

    Only trials that have ended stay in it. Those that run are added for one suggestion and failed after it, because
    TPE does not look at failed ones; so is the trial that Optuna opens to suggest for.
    """

    def __init__(self, space: Space, direction: Direction) -> None:
        import optuna

        self._space = space
        self._distributions = {one.name: _distribution(one) for one in space.ranges}
        self._told: dict[str, Trial] = {}
        with _quiet():
            self._study: Study = optuna.create_study(direction=DIRECTIONS[direction])

    def agrees_with(self, trials: Sequence[Trial]) -> bool:
        """Whether all that was told is among `trials`."""
        return self._told.keys() <= {trial.name for trial in trials if trial.status.is_finished}

    def estimate(self, trials: Sequence[Trial], seed: int) -> Point:
        """The point that TPE wants next."""
        from optuna.samplers import TPESampler
        from optuna.trial import TrialState

        ended = [trial for trial in trials if trial.status.is_finished and trial.name not in self._told]
        self._study.add_trials([self._frozen(trial) for trial in ended])
        self._told.update({trial.name: trial for trial in ended})
        first_passing = len(self._study.get_trials(deepcopy=False))
        self._study.add_trials([self._frozen(trial) for trial in trials if trial.is_running])
        self._study.sampler = TPESampler(n_startup_trials=1, multivariate=True, constant_liar=True, seed=seed)
        asked = self._study.ask(self._distributions)
        for number in range(first_passing, asked.number + 1):
            self._study.tell(number, state=TrialState.FAIL)
        return {one.name: _from_optuna(one, asked.params[one.name]) for one in self._space.ranges}

    def _frozen(self, trial: Trial) -> FrozenTrial:
        from optuna.trial import TrialState, create_trial

        state, steps = TrialState.RUNNING, {}
        if trial.status is TrialStatus.COMPLETED:
            state = TrialState.COMPLETE
        elif trial.status.is_finished:
            state = TrialState.PRUNED                       # without steps, as a failed one is: the worst of all
            steps = dict(trial.history) if trial.status is TrialStatus.STOPPED else {}
        return create_trial(
            state=state,
            value=trial.value if state is TrialState.COMPLETE else None,
            params={one.name: _to_optuna(one, trial.hyperparameters[one.name]) for one in self._space.ranges},
            distributions=self._distributions,
            intermediate_values=steps,
        )


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
