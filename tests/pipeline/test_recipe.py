from __future__ import annotations

import pytest

from tintype.errors import NotFound
from tintype.pipeline.recipe import choose_recipe, recipe_asked


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
