"""What a search over the built-in trainer holds fixed, and what it tries."""

from __future__ import annotations

import pytest

from tintype.errors import InvalidRequest
from tintype.pipeline.recipe import recipe_for
from tintype.pipeline.searching import Search, by_recipe
from tintype.tuning.settings import StrategyName

SCRATCH = recipe_for("small_cnn", pretrained=False, freeze=None)


def split(*ranges: str, **asked: str) -> tuple[tuple[str, ...], dict[str, object]]:
    found, fixed = by_recipe(Search("ants", ranges, "valid:accuracy"), SCRATCH, asked)
    return tuple(found.ranges), dict(fixed)


def test_the_recipe_gives_way_to_what_is_asked_for() -> None:
    ranges, fixed = split(lr="0.1")
    assert ranges == ("batch-size=32,64",)
    assert fixed == {**SCRATCH.fixed, "lr": "0.1"}
    _, fixed = split("epoch=2..4", "learning_rate=0.1:1")
    assert fixed == {"model": "small_cnn", "weights": "none", "freeze": "none"}


def test_a_value_and_a_range_of_one_hyperparameter() -> None:
    with pytest.raises(InvalidRequest, match="lr is given as a value and as a range"):
        split("learning-rate=0.1:1", lr="0.1")


def test_networks_that_are_compared_do_not_start_from_random_weights_unasked() -> None:
    assert "weights" not in split("model=resnet18,resnet34")[1]
    assert split("network=resnet18,resnet34", weights="none")[1]["weights"] == "none"


def test_the_recipes_number_of_trials_unless_one_is_given_or_a_grid_has_an_end() -> None:
    search = Search("ants", (), "valid:accuracy", max_jobs=None)
    assert by_recipe(search, SCRATCH, {})[0].max_jobs == SCRATCH.trials
    grid = Search("ants", ("lr=1,2",), "valid:accuracy", max_jobs=None, strategy=StrategyName.GRID)
    assert by_recipe(grid, SCRATCH, {})[0].max_jobs is None
