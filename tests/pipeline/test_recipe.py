from __future__ import annotations

import pytest

from tintype.errors import NotFound
from tintype.pipeline.recipe import Finder, choose_recipe, recipe_asked


def nowhere(network: str) -> bool:
    raise NotFound(f"no weights of {network}")


def everywhere(network: str) -> bool:
    return True


def test_without_weights_it_is_another_network_and_never_random_ones_in_that() -> None:
    recipe = choose_recipe("auto", None, None, nowhere)
    assert recipe.fixed["model"] == "small_cnn"
    assert "no weights of resnet18 were found" in recipe.title
    with pytest.raises(NotFound):
        choose_recipe("resnet18", None, None, nowhere)
    assert choose_recipe("resnet18", "none", None, nowhere).fixed["weights"] == "none"


def test_hyperparameters_count_like_the_options() -> None:
    with pytest.raises(NotFound):
        recipe_asked({"model": "resnet50"}, "auto", None, nowhere)
    assert recipe_asked({"model": "resnet50"}, "auto", None, everywhere).fixed["freeze"] == "backbone"
    assert recipe_asked({"weights": "none"}, "auto", None, everywhere).fixed["model"] == "small_cnn"
    assert recipe_asked({"weights": "auto"}, "auto", None, everywhere).fixed["model"] == "resnet18"


@pytest.mark.parametrize(("freeze", "title"), [("none", "fine-tuned"), ("2", "fine-tuned"), ("Backbone", "frozen")])
def test_freezing_by_a_hyperparameter(freeze: str, title: str) -> None:
    assert title in recipe_asked({"freeze": freeze}, "auto", None, everywhere).title
    assert title in recipe_asked({"freeze": freeze}, "auto", freeze == "none", everywhere).title


def nobody(network: str) -> bool:
    return False


@pytest.mark.parametrize(
    ("model", "weights", "finder", "why"),
    [
        ("auto", "none", everywhere, "(as asked for)"),
        ("resnet18", "none", everywhere, "(as asked for)"),
        ("small_cnn", None, nobody, "(nobody publishes any of it)"),
        ("auto", None, nowhere, "(no weights of resnet18 were found"),
    ],
)
@pytest.mark.parametrize("freeze", [None, True, False])
def test_random_weights_say_who_has_decided_so(
    model: str, weights: str | None, finder: Finder, why: str, freeze: bool | None
) -> None:
    recipe = choose_recipe(model, weights, freeze, finder)
    assert why in recipe.title
    assert "from random weights" in recipe.title
    assert recipe.fixed["weights"] == "none"
    assert ("what is frozen of" in recipe.warning) == (freeze is True)


@pytest.mark.parametrize(
    ("asked", "is_warned"),
    [({}, False), ({"freeze": "backbone"}, True), ({"freeze": "2"}, True), ({"freeze": "None"}, False)],
)
def test_a_frozen_part_that_nobody_has_trained(asked: dict[str, str], is_warned: bool) -> None:
    assert bool(recipe_asked({"model": "small_cnn", **asked}, "auto", None, nobody).warning) == is_warned
    assert not recipe_asked({"model": "resnet50", **asked}, "auto", None, everywhere).warning
    given = recipe_asked({"model": "small_cnn", "weights": "mine.safetensors", **asked}, "auto", None, nobody)
    assert not given.warning
