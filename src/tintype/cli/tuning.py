"""`tintype tuning`: list, show, best, resume."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from tintype.cli.display import Display, settings_of, trial_table
from tintype.cli.invocation import Invocation, command
from tintype.cli.tune import say_best
from tintype.errors import NotFound
from tintype.jobs.execution import Execution
from tintype.pipeline.training_jobs import training_pool
from tintype.pipeline.tuning_jobs import described, described_best, take_up
from tintype.tuning.store import RecordTuningStore

app = typer.Typer(help="Tuning jobs: list, show, best, resume.", no_args_is_help=True)

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="The tuning job's name.")]


@command(app, "list")
def list_tuning(call: Invocation) -> None:
    """All tuning jobs."""
    with call.workspace() as workspace:
        store = RecordTuningStore(workspace.records)
        states = [store.load(name) for name in store.names()]
    table = Table(box=None, padding=(0, 2))
    for column in ("name", "status", "trials", "objective", "best", "hyperparameters"):
        table.add_column(column)
    for state in states:
        best = state.best
        value = "" if best is None else f"{best.value:.4f}"
        settings = "" if best is None else escape(settings_of(best))
        cells = (state.status.value, str(len(state.trials)), state.settings.objective, value, settings)
        table.add_row(escape(state.name), *cells)
    call.say(table if states else "no tuning jobs yet; `tintype tune DATA` or `tintype run DATA` makes one")
    documents = [{key: value for key, value in described(state).items() if key != "trials"} for state in states]
    call.answer({"tuning_jobs": documents})


@command(app, "show")
def show(call: Invocation, name: NameArgument) -> None:
    """One tuning job and its trials."""
    with call.workspace() as workspace:
        state = RecordTuningStore(workspace.records).load(name)
    call.say(f"{state.name}: {state.status.value} {escape(state.reason)}")
    call.say(trial_table(state, most=len(state.trials)))
    call.answer(described(state))


@command(app, "best")
def best(call: Invocation, name: NameArgument) -> None:
    """The best trial's hyperparameters."""
    with call.workspace() as workspace:
        state = RecordTuningStore(workspace.records).load(name)
    found = described_best(state.best)
    if found is None:
        raise NotFound(f"tuning job {name!r} has no completed trial (it is {state.status.value}); see `tuning show`")
    for key, value in found["hyperparameters"].items():
        call.say(f"{key} = {value}")
    call.say(f"{state.settings.objective} = {found['value']:.6g}  ({found['job']})")
    call.answer(found)


@command(app, "resume")
def resume(call: Invocation, name: NameArgument) -> None:
    """Go on with a tuning job that was interrupted: no trial is lost, none is run twice."""
    with call.workspace() as workspace:
        parallel = RecordTuningStore(workspace.records).load(name).settings.max_parallel_jobs
        with training_pool(parallel) as pool, Display(call.console) as display:
            display.stage(f"Going on with {name}")
            state = take_up(workspace, Execution(pool, workspace.jobs), name, display)
    say_best(call, state)
    call.answer(described(state))
