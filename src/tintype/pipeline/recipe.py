"""What to try when nobody says what to try: the network, its fixed settings, and the ranges to search.

Two situations, told apart by whether pretrained weights can be had:
- with weights: a frozen backbone and a new head, on features computed once. A trial costs next to nothing.
- without: the small network from scratch, with augmentation. Explicitly another choice, never random weights in a
  network that was meant to be pretrained.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from tintype.training.hyperparameters import Value

AUTO = "auto"
PRETRAINED_NETWORK = "resnet18"
SCRATCH_NETWORK = "small_cnn"


@final
@dataclass(frozen=True)
class Recipe:
    """Hyperparameters that stay fixed, and ranges to search, by hyperparameter name."""

    title: str
    fixed: dict[str, Value]
    ranges: tuple[str, ...]         # as `--range` takes them
    trials: int                     # a sensible number of trials


def recipe_for(model: str, *, pretrained: bool, freeze: bool | None) -> Recipe:
    """The recipe for a network. `freeze` None means: freeze the backbone when it has pretrained weights."""
    frozen = pretrained if freeze is None else freeze
    if frozen:
        return Recipe(
            title=f"{model}, frozen; a new head on features computed once",
            fixed={"model": model, "freeze": "backbone", "augmentation": "flip"},
            ranges=("lr=0.0003:0.03:log", "batch-size=16,32,64", "epochs=4..12"),
            trials=8,
        )
    if pretrained:
        return Recipe(
            title=f"{model}, fine-tuned from pretrained weights",
            fixed={"model": model, "freeze": "none", "epochs": 4},
            ranges=("lr=0.00003:0.001:log", "batch-size=16,32"),
            trials=4,
        )
    return Recipe(
        title=f"{model}, from random weights",
        fixed={"model": model, "weights": "none", "freeze": "none", "epochs": 12},
        ranges=("lr=0.001:0.02:log", "batch-size=16,32,64"),
        trials=4,
    )


def chosen(model: str, *, weights_found: bool, weights: str | None) -> str:
    """The network's name. "auto" takes the pretrained one when its weights are at hand."""
    if model != AUTO:
        return model
    return PRETRAINED_NETWORK if weights_found and weights != "none" else SCRATCH_NETWORK
