"""What to try when nobody says what to try: the network, its fixed settings, and the ranges to search.

Two situations, told apart by whether pretrained weights can be had:
- with weights: a frozen backbone and a new head, on features computed once. A trial costs next to nothing.
- without: the small network from scratch, with augmentation. Explicitly another choice, never random weights in a
  network that was meant to be pretrained.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import final

from tintype.errors import NotFound
from tintype.pipeline.watching import Watcher
from tintype.training.hyperparameters import Value
from tintype.training.narration import frozen_at_random

AUTO = "auto"
PRETRAINED_NETWORK = "resnet18"
SCRATCH_NETWORK = "small_cnn"
RANDOM = "none"
FROZEN = ("backbone", "true")       # of the hyperparameter `freeze`: a number of stages trains some of the backbone
TRAINED = ("none", "false")         # ... all of it

Finder = Callable[[str], bool]      # a network -> whether pretrained weights of it exist; NotFound: not here


@final
@dataclass(frozen=True)
class Recipe:
    """Hyperparameters that stay fixed, and ranges to search, by hyperparameter name."""

    title: str
    fixed: dict[str, Value]
    ranges: tuple[str, ...]         # as `--range` takes them
    trials: int                     # a sensible number of trials
    pretrained: bool                # False: the network starts from random weights
    warning: str = ""               # what is to be said before the work begins; "": nothing

    def tell(self, watcher: Watcher) -> None:
        """Say what it is, and what to think of before it is followed."""
        watcher.note(self.title)
        if self.warning:
            watcher.warning(self.warning)


def choose_recipe(model: str, weights: str | None, freeze: bool | None, finder: Finder) -> Recipe:
    """The recipe for what was asked; "auto" takes the pretrained network when its weights are at hand.

    `finder` is asked only when the answer matters. `NotFound` lists every path it tried, for a network that was named.
    """
    if weights == RANDOM:
        scratch = recipe_for(SCRATCH_NETWORK if model == AUTO else model, pretrained=False, freeze=freeze)
        return _because(scratch, "as asked for")
    if weights is not None:
        return recipe_for(PRETRAINED_NETWORK if model == AUTO else model, pretrained=True, freeze=freeze)
    if model != AUTO:
        chosen = recipe_for(model, pretrained=finder(model), freeze=freeze)
        return chosen if chosen.pretrained else _because(chosen, "nobody publishes any of it")
    try:
        return recipe_for(PRETRAINED_NETWORK, pretrained=finder(PRETRAINED_NETWORK), freeze=freeze)
    except NotFound:
        scratch = recipe_for(SCRATCH_NETWORK, pretrained=False, freeze=freeze)
        why = f"no weights of {PRETRAINED_NETWORK} were found; --model {PRETRAINED_NETWORK} lists where they may lie"
        return _because(scratch, why)


def recipe_asked(asked: Mapping[str, Value], model: str, freeze: bool | None, finder: Finder) -> Recipe:
    """The recipe for hyperparameters by their first names, which win over the options `model` and `freeze`."""
    weights, word = str(asked.get("weights", AUTO)), str(asked.get("freeze", "")).strip().lower()
    model = str(asked.get("model", model))
    if word:
        freeze = word in FROZEN
    recipe = choose_recipe(model, None if weights == AUTO else weights, freeze, finder)
    if word and word not in TRAINED and not recipe.pretrained:
        return replace(recipe, warning=frozen_at_random(str(recipe.fixed["model"])))
    return recipe


def recipe_for(model: str, *, pretrained: bool, freeze: bool | None) -> Recipe:
    """The recipe for a network. `freeze` None means: freeze the backbone when it has pretrained weights."""
    frozen = pretrained if freeze is None else freeze
    if frozen:
        backbone = "frozen" if pretrained else "frozen as it is, from random weights"
        return Recipe(
            title=f"{model}, {backbone}; a new head on its features",
            fixed={
                "model": model, **({} if pretrained else {"weights": RANDOM}), "freeze": "backbone",
                "augmentation": "flip",
            },
            ranges=("lr=0.0003:0.03:log", "batch-size=16,32,64", "epochs=4..12"),
            trials=8,
            pretrained=pretrained,
            warning="" if pretrained else frozen_at_random(model),
        )
    if pretrained:
        return Recipe(
            title=f"{model}, fine-tuned from pretrained weights",
            fixed={"model": model, "freeze": "none", "epochs": 4},
            ranges=("lr=0.00003:0.001:log", "batch-size=16,32"),
            trials=4,
            pretrained=True,
        )
    return Recipe(
        title=f"{model}, from random weights",
        fixed={"model": model, "weights": RANDOM, "freeze": "none", "epochs": 12},
        ranges=("lr=0.001:0.02:log", "batch-size=32,64"),
        trials=4,
        pretrained=False,
    )


def _because(recipe: Recipe, why: str) -> Recipe:
    """With the reason for random weights in its title."""
    return replace(recipe, title=f"{recipe.title} ({why})")
