"""`tintype tune`: a search over hyperparameters."""

from __future__ import annotations

import time
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from tintype.cli.display import Display, settings_of
from tintype.cli.invocation import Invocation
from tintype.cli.run import (
    DataArgument,
    EpochsOption,
    FreezeOption,
    ImageSizeOption,
    SeedOption,
    StrictOption,
    WeightsOption,
)
from tintype.cli.train import ModelOption, ParameterOption
from tintype.jobs.execution import Execution
from tintype.jobs.names import TUNING_LENGTH, stamped
from tintype.pipeline.recipe import choose_recipe
from tintype.pipeline.training_jobs import parse_assignments, training_pool, weights_finder
from tintype.pipeline.tuning_jobs import TuningRequest, begin, described
from tintype.tuning.objective import Direction
from tintype.tuning.settings import EarlyStopping, StrategyName
from tintype.tuning.state import TuningState


class DirectionWord(StrEnum):
    """As the command line spells it."""

    MINIMIZE = "minimize"
    MAXIMIZE = "maximize"


class StrategyWord(StrEnum):
    """As the command line spells it."""

    BAYESIAN = "bayesian"
    RANDOM = "random"
    GRID = "grid"
    HYPERBAND = "hyperband"


class StoppingWord(StrEnum):
    """As the command line spells it."""

    OFF = "off"
    AUTO = "auto"


RANGE_HELP = "NAME=LOW:HIGH[:log], NAME=LOW..HIGH for integers, or NAME=A,B,C; repeatable."


def tune(
    call: Invocation,
    data: DataArgument,
    ranges: Annotated[list[str] | None, typer.Option("--range", metavar="RANGE", help=RANGE_HELP)] = None,
    name: Annotated[str | None, typer.Option(help="Of the tuning job.")] = None,
    objective: Annotated[str, typer.Option(help="The metric that counts.")] = "valid:accuracy",
    direction: Annotated[DirectionWord | None, typer.Option(help="Which way is better.")] = None,
    max_jobs: Annotated[int | None, typer.Option(min=1, help="Trials in all.")] = None,
    max_parallel_jobs: Annotated[int, typer.Option(min=1, help="Trials at once.")] = 1,
    strategy: Annotated[StrategyWord, typer.Option(help="How the next trial is chosen.")] = StrategyWord.BAYESIAN,
    early_stopping: Annotated[StoppingWord, typer.Option(help="The median rule, or none.")] = StoppingWord.OFF,
    model: ModelOption = "auto",
    weights: WeightsOption = None,
    freeze: FreezeOption = None,
    epochs: EpochsOption = None,
    image_size: ImageSizeOption = None,
    parameter: ParameterOption = None,
    seed: SeedOption = 0,
    strict: StrictOption = False,
) -> None:
    """Search for the best hyperparameters; every trial is a training job."""
    with training_pool(max_parallel_jobs) as pool:
        pool.warm()
        recipe = choose_recipe(model, weights, freeze, weights_finder(pool, call.settings))
        named = {"weights": weights, "epochs": epochs, "image-size": image_size}
        asked = {key: value for key, value in named.items() if value is not None}
        asked |= parse_assignments("-p", parameter or [])
        # What is given as a value is not searched by the recipe; what is given as a range is not held by it.
        chosen = tuple(ranges) if ranges else tuple(one for one in recipe.ranges if _name_of(one) not in asked)
        ranged = {_name_of(text) for text in chosen}
        given = {**recipe.fixed, **asked}
        request = TuningRequest(
            name=name or stamped(Path(data.rstrip("/")).stem, time.time(), TUNING_LENGTH),
            data=data,
            ranges=chosen,
            fixed={key: value for key, value in given.items() if key not in ranged},
            max_jobs=max_jobs or recipe.trials,
            max_parallel_jobs=max_parallel_jobs,
            strategy=StrategyName(strategy.capitalize()),
            objective=objective,
            direction=Direction(direction.capitalize()) if direction else None,
            early_stopping=EarlyStopping(early_stopping.capitalize()),
            seed=seed,
            strict=strict,
        )
        with call.workspace() as workspace, Display(call.console) as display:
            display.stage(f"Tuning {request.name}: {request.max_jobs} trials over {', '.join(chosen)}")
            display.note(recipe.title)
            state = begin(workspace, Execution(pool, workspace.jobs), request, display)
    say_best(call, state)
    call.answer(described(state))


def say_best(call: Invocation, state: TuningState) -> None:
    """The outcome in two lines."""
    if state.best is None:
        call.say(f"{state.name}: {state.status.value}; no trial has completed. {state.reason}")
        return
    call.say(f"best: {state.best.name}  {state.settings.objective} {state.best.value:.4f}  {settings_of(state.best)}")
    call.say(f"[dim]tintype deploy {state.best.name} serves it[/]")


def _name_of(text: str) -> str:
    return text.partition("=")[0].strip().replace("_", "-")
