"""Bayesian search: trials are drawn where good ones are dense and bad ones are not (tree-structured Parzen estimator).

The first trials, a quarter of all but at least 4 and at most 10, are a Latin hypercube: of four, each has its learning
rate in another quarter of the range, and so on for every hyperparameter. After them Optuna's TPE sampler suggests,
looking at all hyperparameters together (multivariate) and counting trials that still run as bad, so that parallel
trials do not crowd (constant liar). Stopped trials count by how far they came and how good they were there; failed
ones as the worst of all, so that a region where training breaks is avoided.

TPE likes to repeat a good point of a small space. When the point it wants was tried, the nearest one that was not is
taken instead, until none is left.

With a warm start from tuning jobs that are identical to this one, their trials are evidence like our own, and so many
fewer of the first ones are spread. With one from others, half of the first trials are the parents' best points.

Cost: a few milliseconds per suggestion. Optuna (0.25 s to import, and only here) gives suggestions and keeps nothing:
its study lives in memory and follows our trials. Out of scope: several objectives, constraints.
Source: Bergstra et al., Algorithms for Hyper-Parameter Optimization, NIPS 2011; Watanabe, arXiv 2304.11127.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import final

from tintype.tuning.earlier import Earlier, WarmStart, WarmStartType
from tintype.tuning.objective import Direction
from tintype.tuning.optuna_terms import distributions_of, frozen, new_study, point_of
from tintype.tuning.space import Point, Space
from tintype.tuning.strategies.strategy import Strategy, earlier_keys, random_for, seen
from tintype.tuning.trial import Trial, TrialStatus

FEWEST_FIRST_TRIALS = 4
MOST_FIRST_TRIALS = 10


@final
class BayesianSearch(Strategy):
    """TPE over `space`; `max_jobs` decides how many of the first trials are spread evenly."""

    def __init__(
        self, space: Space, direction: Direction, seed: int, max_jobs: int, warm_start: WarmStart | None = None
    ) -> None:
        self._space = space
        self._direction = direction
        self._seed = seed
        self._first = min(max(max_jobs // 4, FEWEST_FIRST_TRIALS), MOST_FIRST_TRIALS)
        self._evidence: _Evidence | None = None
        self._known = _alike(warm_start)
        self._tried = earlier_keys(space, warm_start)
        self._beginnings = _best_points(space, direction, warm_start, self._first // 2)

    def suggest(self, trials: Sequence[Trial]) -> Point | None:
        """The most promising point that was not tried; None when there is none."""
        random = random_for(self._seed, trials)
        ended = sum(trial.status.is_finished for trial in trials) + len(self._known)
        wanted = self._first_point(len(trials)) if ended < self._first else self._estimate(trials, random)
        return self._space.near(wanted, seen(self._space, trials) | self._tried, random)

    def _first_point(self, index: int) -> Point:
        if index < len(self._beginnings):
            return self._beginnings[index]
        return spread(self._space, index - len(self._beginnings), self._first, self._seed)

    def _estimate(self, trials: Sequence[Trial], random: Random) -> Point:
        if self._evidence is None or not self._evidence.agrees_with(trials):
            self._evidence = _Evidence(self._space, self._direction, self._known)
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

    def __init__(self, space: Space, direction: Direction, known: Sequence[Earlier]) -> None:
        self._space = space
        self._distributions = distributions_of(space)
        self._told: dict[str, Trial] = {}
        self._study = new_study(direction)
        self._study.add_trials([frozen(_as_trial(one), space, self._distributions) for one in known])

    def agrees_with(self, trials: Sequence[Trial]) -> bool:
        """Whether all that was told is among `trials`."""
        return self._told.keys() <= {trial.name for trial in trials if trial.status.is_finished}

    def estimate(self, trials: Sequence[Trial], seed: int) -> Point:
        """The point that TPE wants next."""
        from optuna.samplers import TPESampler
        from optuna.trial import TrialState

        ended = [trial for trial in trials if trial.status.is_finished and trial.name not in self._told]
        self._study.add_trials([frozen(trial, self._space, self._distributions) for trial in ended])
        self._told.update({trial.name: trial for trial in ended})
        first_passing = len(self._study.get_trials(deepcopy=False))
        running = [trial for trial in trials if trial.is_running]
        self._study.add_trials([frozen(trial, self._space, self._distributions) for trial in running])
        self._study.sampler = TPESampler(n_startup_trials=1, multivariate=True, constant_liar=True, seed=seed)
        asked = self._study.ask(self._distributions)
        for number in range(first_passing, asked.number + 1):
            self._study.tell(number, state=TrialState.FAIL)
        return point_of(asked.params, self._space)


def _as_trial(one: Earlier) -> Trial:
    return Trial(0, one.job, one.hyperparameters, (), status=TrialStatus.COMPLETED, value=one.value)


def _alike(warm_start: WarmStart | None) -> tuple[Earlier, ...]:
    """The earlier trials whose values are as good as our own."""
    return warm_start.trials if warm_start and warm_start.type is WarmStartType.IDENTICAL else ()


def _best_points(space: Space, direction: Direction, warm_start: WarmStart | None, most: int) -> list[Point]:
    """Where to begin: the best points of tuning jobs that are alike but not the same, each once."""
    if warm_start is None or warm_start.type is not WarmStartType.TRANSFER:
        return []
    best_first = sorted(warm_start.trials, key=lambda one: direction.rank(one.value))
    points = {space.key(one.hyperparameters): dict(one.hyperparameters) for one in best_first}
    return list(points.values())[:most]
