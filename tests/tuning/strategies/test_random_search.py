from __future__ import annotations

import pytest

from tests.tuning.strategies.search import searched
from tintype.tuning.ranges import Categorical, Continuous, Integer
from tintype.tuning.scaling import Scaling
from tintype.tuning.space import Space
from tintype.tuning.strategies.random_search import RandomSearch


def test_draws_are_even_over_the_scale() -> None:
    space = Space((Continuous("lr", 1e-4, 1.0, Scaling.LOGARITHMIC), Integer("n", 0, 4)))
    trials = searched(RandomSearch(space, 0), lambda _: 0.0, 400)
    below = sum(float(trial.hyperparameters["lr"]) < 1e-2 for trial in trials)
    assert below == pytest.approx(200, abs=40)      # four standard deviations
    for n in range(5):
        assert sum(trial.hyperparameters["n"] == n for trial in trials) == pytest.approx(80, abs=32)


def test_one_point_is_a_space_too() -> None:
    strategy = RandomSearch(Space((Categorical("net", ("a",)),)), 0)
    assert [dict(trial.hyperparameters) for trial in searched(strategy, lambda _: 0.0, 5)] == [{"net": "a"}]
