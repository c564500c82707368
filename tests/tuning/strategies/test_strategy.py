"""What every strategy promises."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.tuning.strategies.search import completed, searched
from tintype.tuning.ranges import Categorical, Continuous, Integer
from tintype.tuning.scaling import Scaling
from tintype.tuning.settings import StrategyName, TuningSettings
from tintype.tuning.space import Point, Space
from tintype.tuning.strategies import STRATEGIES, strategy_for
from tintype.tuning.strategies.strategy import Strategy
from tintype.tuning.trial import TrialStatus

COUNTED = Space((Integer("width", 2, 4), Categorical("batch-size", (16, 64)), Categorical("net", ("a", "b"))))
OPEN = Space(
    (
        Continuous("lr", 0.001, 0.1, Scaling.LOGARITHMIC),
        Continuous("momentum", 0.5, 0.999, Scaling.REVERSE_LOGARITHMIC),
        Integer("width", 16, 4096),
        Categorical("net", ("a", "b", "c")),
    )
)


def made(name: StrategyName, space: Space, *, seed: int = 0, max_jobs: int = 20, **values: Any) -> Strategy:
    if name is StrategyName.GRID:
        values["grid_points"] = 3
    if name is StrategyName.HYPERBAND:
        values["max_resource"] = 9
    return strategy_for(
        TuningSettings(
            name="t", space=space, objective="loss", direction="Minimize", strategy=name, max_jobs=max_jobs, seed=seed,
            **values,
        )  # pyright: ignore[reportArgumentType]
    )  # fmt: skip


def cost(point: Point) -> float:
    return abs(float(point["width"]) - 3.0) + (point["net"] == "a")


@pytest.mark.parametrize("name", StrategyName)
class TestEveryStrategy:
    def test_it_is_in_the_table(self, name: StrategyName) -> None:
        assert name in STRATEGIES

    @pytest.mark.parametrize("space", [COUNTED, OPEN], ids=["counted", "open"])
    def test_suggestions_are_points_of_the_space(self, name: StrategyName, space: Space) -> None:
        for trial in searched(made(name, space), cost, 25):
            assert tuple(trial.hyperparameters) == space.names
            assert all(one.contains(trial.hyperparameters[one.name]) for one in space.ranges)
            assert isinstance(trial.hyperparameters["width"], int)

    def test_every_point_of_a_small_space_comes_once_and_then_none(self, name: StrategyName) -> None:
        trials = searched(made(name, COUNTED), cost, 99)
        assert len({COUNTED.key(trial.hyperparameters) for trial in trials}) == len(trials) == COUNTED.size == 12

    def test_the_same_seed_gives_the_same_suggestions(self, name: StrategyName) -> None:
        first, second = (searched(made(name, OPEN, seed=3), cost, 20) for _ in range(2))
        assert first == second

    def test_another_seed_gives_others(self, name: StrategyName) -> None:
        first, second = (searched(made(name, OPEN, seed=seed), cost, 20) for seed in (3, 4))
        assert (first != second) is (name is not StrategyName.GRID)

    def test_a_successor_goes_on_as_its_predecessor_would_have(self, name: StrategyName) -> None:
        strategy = made(name, OPEN)
        trials = searched(strategy, cost, 17)
        assert made(name, OPEN).suggest(trials) == strategy.suggest(trials)

    def test_running_failed_and_stopped_trials_are_not_repeated(self, name: StrategyName) -> None:
        trials = searched(made(name, COUNTED), cost, 11)
        others = [
            replace(trials[0], status=TrialStatus.FAILED, value=None, history=()),
            replace(trials[1], status=TrialStatus.STOPPED),
            *[replace(trial, status=TrialStatus.IN_PROGRESS, value=None, history=()) for trial in trials[2:5]],
            *trials[5:],
        ]
        point = made(name, COUNTED).suggest(others)
        assert point is not None
        assert COUNTED.key(point) not in {COUNTED.key(trial.hyperparameters) for trial in trials}

    def test_values_from_the_wire_are_fine(self, name: StrategyName) -> None:
        """Trials that were stored and loaded hold lists for tuples and the like; suggestions do not change."""
        strategy = made(name, OPEN)
        trials = searched(strategy, cost, 15)
        loaded = [type(trial).from_json(trial.to_json()) for trial in trials]
        assert made(name, OPEN).suggest(loaded) == strategy.suggest(trials)


@settings(max_examples=20)
@given(st.sampled_from(StrategyName), st.integers(0, 2**31), st.lists(st.floats(-1e300, 1e300), min_size=3, max_size=9))
def test_any_values_will_do(name: StrategyName, seed: int, values: list[float]) -> None:
    strategy = made(name, OPEN, seed=seed, max_jobs=4)
    trials = []
    for number, value in enumerate(values, start=1):
        point = strategy.suggest(trials)
        assert point is not None
        trials.append(completed(number, point, value))
