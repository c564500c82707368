"""The options that `run`, `train` and `tune` share where the built-in trainer trains."""

from __future__ import annotations

from typing import Annotated

import typer

from tintype.pipeline.training_jobs import parse_assignments, settled
from tintype.training.hyperparameters import Value, by_first_names

DataArgument = Annotated[
    str, typer.Argument(metavar="DATA", help="A folder of images, an archive, a CSV or JSONL manifest, or a URL.")
]
DataOption = Annotated[
    str | None,
    typer.Argument(metavar="[DATA]", help="A folder of images, an archive, a manifest, or a URL.", show_default=False),
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
StrictOption = Annotated[bool, typer.Option("--strict", help="Fail on a file that cannot be used.")]


def asked_of_trainer(
    weights: str | None, epochs: int | None, image_size: int | None, parameters: list[str] | None
) -> dict[str, Value]:
    """What the options say of the built-in trainer's hyperparameters, by their first names; the `-p` ones win."""
    named = {"weights": weights, "epochs": epochs, "image-size": image_size}
    given = {name: value for name, value in named.items() if value is not None}
    return settled(given | by_first_names(parse_assignments("-p", parameters or [])))
