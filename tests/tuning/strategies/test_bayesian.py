from __future__ import annotations

import logging
import math
from dataclasses import replace
from statistics import fmean

import pytest

from tests.tuning.strategies.search import completed, searched
from tintype.tuning.objective import Direction
from tintype.tuning.ranges import Categorical, Continuous, Integer
from tintype.tuning.scaling import Scaling
from tintype.tuning.space import Point, Space
from tintype.tuning.strategies.bayesian import BayesianSearch, spread
from tintype.tuning.strategies.random_search import RandomSearch
from tintype.tuning.trial import Trial, TrialStatus

SPACE = Space(
    (
        Continuous("lr", 1e-4, 1.0, Scaling.LOGARITHMIC),
        Continuous("momentum", 0.0, 0.999, Scaling.REVERSE_LOGARITHMIC),
        Categorical("batch-size", (16, 64, 256)),
    )
)


def loss(point: Point) -> float:
    """Best, 0, at lr 0.01, momentum 0.9 and batch size 64."""
    lr = math.log10(float(point["lr"])) + 2
    momentum = math.log10(1 - float(point["momentum"])) + 1
    return lr**2 + momentum**2 + (0.0 if point["batch-size"] == 64 else 0.5)


def best(trials: list[Trial]) -> float:
    return min(trial.value for trial in trials if trial.value is not None)


def test_it_finds_better_points_than_random_search() -> None:
    seeds = range(5)
    ours = fmean(best(searched(BayesianSearch(SPACE, Direction.MINIMIZE, seed, 40), loss, 40)) for seed in seeds)
    random = fmean(best(searched(RandomSearch(SPACE, seed), loss, 40)) for seed in seeds)
    assert ours < random / 2


def test_it_knows_which_way_is_better() -> None:
    trials = searched(BayesianSearch(SPACE, Direction.MAXIMIZE, 0, 40), lambda point: -loss(point), 40)
    late = [loss(dict(trial.hyperparameters)) for trial in trials[20:]]
    early = [loss(dict(trial.hyperparameters)) for trial in trials[:5]]
    assert fmean(late) < fmean(early) / 2


@pytest.mark.parametrize("block", [0, 1])
def test_the_first_trials_are_in_different_parts_of_every_range(block: int) -> None:
    space = Space((Continuous("x", 0.0, 1.0), Categorical("batch-size", (4, 8, 16, 32)), Integer("epochs", 2, 5)))
    points = [spread(space, 4 * block + index, 4, seed=5) for index in range(4)]
    assert sorted(int(float(point["x"]) * 4) for point in points) == [0, 1, 2, 3]
    assert {point["batch-size"] for point in points} == {4, 8, 16, 32}
    assert {point["epochs"] for point in points} == {2, 3, 4, 5}


def test_parallel_trials_do_not_crowd() -> None:
    space = Space((Continuous("x", 0.0, 1.0),))
    strategy = BayesianSearch(space, Direction.MINIMIZE, 0, 20)
    trials = searched(strategy, lambda point: abs(float(point["x"]) - 0.5), 15)
    for number in range(16, 24):
        point = strategy.suggest(trials)
        assert point is not None
        trials.append(Trial(number, f"t-{number:03d}", point, ("x",)))
    running = [float(trial.hyperparameters["x"]) for trial in trials[15:]]
    assert len(set(running)) == 8
    assert max(running) - min(running) > 0.1


def test_where_training_breaks_is_avoided() -> None:
    """Failed trials have no value; they count as the worst."""
    space = Space((Continuous("x", 0.0, 1.0),))
    strategy = BayesianSearch(space, Direction.MINIMIZE, 0, 40)
    trials: list[Trial] = []
    for number in range(1, 41):
        point = strategy.suggest(trials)
        assert point is not None
        ended = completed(number, point, 1.0)
        broke = float(point["x"]) > 0.5
        trials.append(replace(ended, status=TrialStatus.FAILED, value=None, history=()) if broke else ended)
    assert sum(trial.status is TrialStatus.FAILED for trial in trials[20:]) <= 6


def test_stopped_trials_count_by_what_they_reached() -> None:
    strategy = BayesianSearch(SPACE, Direction.MINIMIZE, 0, 20)
    trials = [
        replace(trial, status=TrialStatus.STOPPED, history=((1, 3.0), (2, math.nan))) if trial.number % 3 else trial
        for trial in searched(strategy, loss, 12)
    ]
    assert strategy.suggest(trials) is not None


def test_it_follows_trials_that_begin_again() -> None:
    """A trial that was stopped with its tuning job was told as stopped, then runs and ends otherwise."""
    trials = searched(BayesianSearch(SPACE, Direction.MINIMIZE, 0, 12), loss, 11)
    strategy = BayesianSearch(SPACE, Direction.MINIMIZE, 0, 12)
    strategy.suggest([*trials[:10], replace(trials[10], status=TrialStatus.STOPPED)])
    running = [*trials[:10], replace(trials[10], status=TrialStatus.IN_PROGRESS, value=None, history=())]
    assert strategy.suggest(running) == BayesianSearch(SPACE, Direction.MINIMIZE, 0, 12).suggest(running)


def test_integers_on_a_logarithmic_scale() -> None:
    space = Space((Integer("width", 1, 4096, Scaling.LOGARITHMIC),))
    trials = searched(
        BayesianSearch(space, Direction.MINIMIZE, 0, 30), lambda point: abs(math.log2(int(point["width"])) - 5), 30
    )
    assert best(trials) == pytest.approx(0.0, abs=0.2)


def test_optunas_log_stays_silent(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    searched(BayesianSearch(SPACE, Direction.MINIMIZE, 0, 8), loss, 8)
    assert caplog.records == []
