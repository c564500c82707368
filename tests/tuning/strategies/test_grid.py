from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tuning.strategies.search import searched
from tintype.errors import InvalidRequest
from tintype.tuning.ranges import Categorical, Continuous, Integer
from tintype.tuning.scaling import Scaling
from tintype.tuning.space import Space
from tintype.tuning.strategies.grid import GridSearch, counted


@given(st.integers(1, 12), st.integers(1, 12))
def test_all_combinations_come_once(first: int, second: int) -> None:
    space = Space((Integer("a", 1, first), Integer("b", 1, second)))
    trials = searched(GridSearch(space), lambda _: 0.0, 200)
    assert len({space.key(trial.hyperparameters) for trial in trials}) == len(trials) == first * second


def test_a_grid_that_is_cut_short_has_been_everywhere() -> None:
    space = Space((Integer("a", 0, 9), Integer("b", 0, 9)))
    trials = searched(GridSearch(space), lambda _: 0.0, 20)
    assert {trial.hyperparameters["a"] for trial in trials} == set(range(10))
    assert len({trial.hyperparameters["b"] for trial in trials}) >= 5


def test_a_grid_of_a_billion_points_starts_at_once() -> None:
    space = Space(tuple(Integer(name, 1, 1000) for name in "abc"))
    assert len(searched(GridSearch(space), lambda _: 0.0, 50)) == 50


def test_continuous_ranges_are_refused_or_counted() -> None:
    space = Space((Continuous("lr", 0.001, 0.1, Scaling.LOGARITHMIC), Categorical("net", ("a", "b"))))
    with pytest.raises(InvalidRequest, match="grid_points"):
        GridSearch(space)
    lr = counted(space, 3)["lr"]
    assert isinstance(lr, Categorical)
    assert lr.values == pytest.approx((0.001, 0.01, 0.1))
    assert (lr.values[0], lr.values[-1]) == (0.001, 0.1)
    assert counted(space, 1)["lr"].from_unit(0.3) == pytest.approx(0.01)
    assert len(searched(GridSearch(counted(space, 3)), lambda _: 0.0, 99)) == 6
