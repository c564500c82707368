from __future__ import annotations

from typing import Any

import pytest

from tintype.errors import InvalidRequest
from tintype.tuning.objective import Counted, Direction
from tintype.tuning.ranges import Categorical, Continuous, Integer, Range
from tintype.tuning.settings import EarlyStopping, Resource, StrategyName, TuningSettings
from tintype.tuning.space import Space

LR = Continuous("lr", 0.001, 0.1)
BATCH = Categorical("batch-size", (16, 64))


def settings(*ranges: Range, **values: Any) -> TuningSettings:
    given = {"name": "t", "space": Space(ranges or (LR, BATCH)), "objective": "valid:loss", "direction": "minimize"}
    return TuningSettings(**{**given, **values})


def test_defaults_and_words_of_any_case() -> None:
    made = settings(strategy="random", early_stopping="AUTO", counted="best")
    assert made.direction is Direction.MINIMIZE
    assert made.strategy is StrategyName.RANDOM
    assert made.early_stopping is EarlyStopping.AUTO
    assert made.counted is Counted.BEST
    assert settings().counted is Counted.LAST
    assert settings().strategy is StrategyName.BAYESIAN


def test_json() -> None:
    made = settings(LR, BATCH, Integer("width", 1, 9), hyperparameters={"epochs": 3, "model": "resnet18", "ema": True})
    assert TuningSettings.from_json(made.to_json()) == made


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"name": "no blanks"}, "'no blanks'"),
        ({"name": "x" * 33}, "at most 32 characters"),
        ({"objective": ""}, "objective must name a metric"),
        ({"direction": "sideways"}, "direction: input should be 'minimize' or 'maximize', got 'sideways'"),
        ({"strategy": "magic"}, "got 'magic'"),
        ({"max_jobs": 0}, "max_jobs: input should be greater than or equal to 1, got 0"),
        ({"max_parallel_jobs": 0}, "max_parallel_jobs"),
        ({"max_jobs": None}, "max_jobs is open for Grid only"),
        ({"target_value": float("nan")}, "target_value"),
        ({"max_runtime_seconds": 0}, "max_runtime_seconds"),
        ({"seed": -1}, "seed"),
        ({"tries": 3}, "tries: extra inputs are not permitted, got 3"),
        ({"space": [LR]}, "space"),
        ({"hyperparameters": {"lr": 0.1}}, "hyperparameter 'lr' has a range and a fixed value"),
        ({"hyperparameters": {"lrs": [1, 2]}}, "hyperparameters"),
        ({"strategy": "grid"}, "a grid has no end over the continuous range 'lr=0.001:0.1'; list its values"),
        ({"grid_points": 3}, "grid_points is for the strategy Grid only"),
        ({"max_resource": 3}, "are for Hyperband only"),
        ({"strategy": "hyperband"}, "needs to know how many epochs"),
        ({"strategy": "hyperband", "max_resource": 9, "early_stopping": "auto"}, "early_stopping must be Off"),
        ({"strategy": "hyperband", "max_resource": 3, "min_resource": 3}, "below max_resource, got 3 and 3"),
    ],
)
def test_nonsense_is_named(values: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        settings(**values)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_grid_with_counted_points_or_without_an_end_in_jobs() -> None:
    assert settings(strategy="grid", grid_points=3, max_jobs=None).max_jobs is None
    assert settings(BATCH, strategy="grid").strategy is StrategyName.GRID


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (settings(strategy="hyperband", hyperparameters={"epochs": 27}), Resource(1, 27, None)),
        (settings(strategy="hyperband", hyperparameters={"n-epochs": "27"}), Resource(1, 27, None)),
        (settings(LR, Integer("epochs", 2, 9), strategy="hyperband"), Resource(1, 9, "epochs")),
        (settings(LR, Categorical("epoch", (5, 9, 7)), strategy="hyperband"), Resource(1, 9, "epoch")),
        (settings(LR, Integer("epochs", 2, 9), strategy="hyperband", max_resource=81), Resource(1, 81, None)),
        (settings(strategy="hyperband", max_resource=9, min_resource=3), Resource(3, 9, None)),
    ],
)
def test_the_resource_of_hyperband(made: TuningSettings, expected: Resource) -> None:
    assert made.resource == expected


def test_hyperband_needs_something_to_tune_besides_its_resource() -> None:
    with pytest.raises(InvalidRequest, match="nothing else has a range"):
        settings(Integer("epochs", 2, 9), strategy="hyperband")


def test_settings_are_frozen() -> None:
    with pytest.raises(ValueError, match="frozen"):
        settings().seed = 3
