"""The options that `run`, `train` and `tune` share where the built-in trainer trains."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, final

import typer

from tintype.pipeline.recipe import AUTO
from tintype.pipeline.training_jobs import parse_assignments, settled
from tintype.training.hyperparameters import Value, by_first_names

DataArgument = Annotated[
    str, typer.Argument(metavar="DATA", help="A folder of images, an archive, a CSV or JSONL manifest, or a URL.")
]
DataOption = Annotated[
    str | None,
    typer.Argument(metavar="DATA", help="A folder of images, an archive, a manifest, or a URL.", show_default=False),
]
ParameterOption = Annotated[
    list[str] | None,
    typer.Option("--parameter", "-p", metavar="NAME=VALUE", help="A hyperparameter; repeatable."),
]
ModelOption = Annotated[str, typer.Option(help="A timm network, small_cnn, or auto.")]
WeightsOption = Annotated[str | None, typer.Option(help="A file of weights, or none for random ones.")]
FreezeOption = Annotated[bool | None, typer.Option("--freeze/--no-freeze", help="Train only the head, or all.")]
EpochsOption = Annotated[int | None, typer.Option(min=1, help="Passes over the training images.")]
ImageSizeOption = Annotated[int | None, typer.Option(min=8, help="Pixels per side; from the images when left out.")]
SeedOption = Annotated[int, typer.Option(min=0, help="Of everything random.")]
WaitOption = Annotated[bool, typer.Option("--wait/--no-wait", help="Stay until it has ended.")]
StrictOption = Annotated[bool, typer.Option("--strict", help="Fail on a file that cannot be used.")]


@final
@dataclass(frozen=True)
class TrainerOptions:
    """What `train` and `tune` tell the built-in trainer by options of its own."""

    model: ModelOption = AUTO
    weights: WeightsOption = None
    freeze: FreezeOption = None
    epochs: EpochsOption = None
    image_size: ImageSizeOption = None
    strict: StrictOption = False

    def hyperparameters(self, parameters: Sequence[str]) -> dict[str, Value]:
        """What was asked of the hyperparameters, by their first names; the `-p` ones win over the options.

        Raises `InvalidRequest` or `NotFound` naming what cannot be.
        """
        named = {"weights": self.weights, "epochs": self.epochs, "image-size": self.image_size}
        chosen = {name: value for name, value in named.items() if value is not None}
        return settled(chosen | by_first_names(parse_assignments("-p", list(parameters))))
