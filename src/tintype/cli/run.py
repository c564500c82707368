"""`tintype run`: the whole workflow."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.panel import Panel
from rich.table import Table

from tintype.cli.display import Display, shown
from tintype.cli.invocation import Invocation
from tintype.cli.training_options import (
    DataArgument,
    EpochsOption,
    FreezeOption,
    ImageSizeOption,
    SeedOption,
    StrictOption,
    WeightsOption,
)
from tintype.pipeline.job_summary import judged
from tintype.pipeline.run import RunRequest, RunResult, execute

SHOWN = 20                  # predictions; --json has all of them

ModelOption = Annotated[
    str, typer.Option(help="A timm network or small_cnn; auto: resnet18 when its weights are at hand, else small_cnn.")
]


def run(
    call: Invocation,
    data: DataArgument,
    name: Annotated[str | None, typer.Option(help="Of the run, its jobs and its endpoint.")] = None,
    model: ModelOption = "auto",
    weights: WeightsOption = None,
    freeze: FreezeOption = None,
    trials: Annotated[int | None, typer.Option(min=0, help="Settings to try; 0: no search.")] = None,
    epochs: EpochsOption = None,
    image_size: ImageSizeOption = None,
    deploy: Annotated[bool, typer.Option("--deploy/--no-deploy", help="Leave an endpoint running.")] = True,
    predict: Annotated[list[str] | None, typer.Option(metavar="IMAGE", help="Ask about this; repeatable.")] = None,
    seed: SeedOption = 0,
    strict: StrictOption = False,
) -> None:
    """The whole workflow: check, tune, train, judge, report, deploy, predict."""
    request = RunRequest(
        data=data,
        name=name,
        model=model,
        weights=weights,
        freeze=freeze,
        trials=trials,
        epochs=epochs,
        image_size=image_size,
        deploy=deploy,
        predict=tuple(predict or ()),
        seed=seed,
        strict=strict,
    )
    with call.workspace() as workspace, Display(call.console) as display:
        result = execute(workspace, request, display)
    call.say(summary(result))
    call.answer(result.to_json())


def summary(result: RunResult) -> Panel:
    """What a person wants to see at the end."""
    table = Table.grid(padding=(0, 2))
    settings = "  ".join(f"{name}={shown(value)}" for name, value in result.best_hyperparameters.items())
    table.add_row("best hyperparameters", escape(settings))
    for split, metrics in result.metrics.items():
        if metrics is not None:
            table.add_row(split, judged(metrics))
    for one in result.predictions[:SHOWN]:
        answer = f"{one['label']} ({one['probability']:.1%})" if one.get("label") is not None else one.get("error", "")
        table.add_row("prediction", f"{escape(Path(one['file']).name)} → {escape(str(answer))}")
    if (more := len(result.predictions) - SHOWN) > 0:
        table.add_row("", f"and {more:,} more; `tintype predict {result.name} FOLDER --csv FILE` writes all")
    table.add_row("report", escape(str(result.report)))
    table.add_row("archive", escape(str(result.archive)))
    if result.endpoint:
        table.add_row("endpoint", f"{result.endpoint}  [dim](tintype endpoints delete {result.name})[/]")
    return Panel(table, title=f"{result.name} · {result.seconds:.1f} s", title_align="left", expand=False)
