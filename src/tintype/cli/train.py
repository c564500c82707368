"""`tintype train`: one training job."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from tintype.cli.display import Display
from tintype.cli.invocation import Invocation
from tintype.cli.jobs import described
from tintype.cli.run import (
    DataArgument,
    EpochsOption,
    FreezeOption,
    ImageSizeOption,
    SeedOption,
    StrictOption,
    WeightsOption,
)
from tintype.jobs.execution import Execution
from tintype.jobs.names import checked, stamped
from tintype.pipeline.recipe import choose_recipe
from tintype.pipeline.training_jobs import (
    TrainingRequest,
    base_plan,
    job_of,
    parse_assignments,
    run_job,
    training_pool,
    weights_finder,
)
from tintype.training.hyperparameters import Value

ParameterOption = Annotated[
    list[str] | None,
    typer.Option("--parameter", "-p", metavar="NAME=VALUE", help="A hyperparameter; repeatable."),
]
ModelOption = Annotated[str, typer.Option(help="A timm network, small_cnn, or auto.")]


def train(
    call: Invocation,
    data: DataArgument,
    name: Annotated[str | None, typer.Option(help="Of the job.")] = None,
    model: ModelOption = "auto",
    weights: WeightsOption = None,
    freeze: FreezeOption = None,
    epochs: EpochsOption = None,
    image_size: ImageSizeOption = None,
    parameter: ParameterOption = None,
    seed: SeedOption = 0,
    strict: StrictOption = False,
) -> None:
    """Train one model with given hyperparameters."""
    given = {"weights": weights, "epochs": epochs, "image-size": image_size}
    job_name = checked("job", name) if name else stamped(Path(data.rstrip("/")).stem, time.time())
    with call.workspace() as workspace, training_pool() as pool, Display(call.console) as display:
        recipe = choose_recipe(model, weights, freeze, weights_finder(pool, call.settings))
        hyperparameters: dict[str, Value] = {
            **recipe.fixed,
            **{key: value for key, value in given.items() if value is not None},
            **parse_assignments("-p", parameter or []),
        }
        plan = base_plan(workspace, TrainingRequest(job_name, data, hyperparameters, strict=strict, seed=seed))
        display.stage(f"Training {job_name}")
        display.note(recipe.title)
        job = run_job(workspace, Execution(pool, workspace.jobs), job_of(plan, hyperparameters), display)
        document = described(workspace.jobs, job)
    for split, metrics in job.result["metrics"].items():
        if metrics is not None:
            call.say(f"{split}: accuracy {metrics['accuracy']:.1%}, loss {metrics['loss']:.4f}")
    call.say(f"archive: {escape(str(document['archive']))}")
    call.answer(document)
