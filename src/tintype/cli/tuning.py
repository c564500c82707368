"""`tintype tuning`: list, show, best, resume, stop, delete, export."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from tintype.cli.deletion import YesOption, delete_asked
from tintype.cli.display import Display, name_column, settings_of, trial_table
from tintype.cli.invocation import Invocation, command
from tintype.cli.jobs import settled
from tintype.cli.output_file import output_option
from tintype.cli.training_options import WaitOption
from tintype.cli.tune import await_end, say_best
from tintype.errors import NotFound
from tintype.pipeline import coordination
from tintype.pipeline.coordination import tuning_names, tuning_state
from tintype.pipeline.deletion import of_tuning_job
from tintype.pipeline.tuning_summary import described, described_best
from tintype.storage import write_named
from tintype.tuning.analytics import as_csv
from tintype.tuning.importance import importance
from tintype.tuning.state import TuningState

app = typer.Typer(help="Tuning jobs: list, show, best, resume, stop, delete, export.", no_args_is_help=True)

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="The tuning job's name.")]


@command(app, "list")
def list_tuning(
    call: Invocation,
    name_contains: Annotated[str | None, typer.Option(help="Only those with this in their name.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many, newest first.")] = 50,
    offset: Annotated[int, typer.Option(min=0, help="Leave out so many of the newest.")] = 0,
) -> None:
    """Tuning jobs, newest first."""
    with call.workspace() as workspace:
        names = tuning_names(workspace.records, name_contains=name_contains, limit=limit, offset=offset)
        states = [tuning_state(workspace.records, name) for name in names]
    table = Table(box=None, padding=(0, 2))
    name_column(table)
    for column in ("status", "trials", "objective", "best", "hyperparameters"):
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
    """One tuning job, its trials, and how much each hyperparameter mattered."""
    with call.workspace() as workspace:
        state = tuning_state(workspace.records, name)
    found = importance(state)
    reason = f" ({state.reason})" if state.reason else ""
    call.say(escape(f"{state.name}: {state.status.value}{reason}"))
    call.say(trial_table(state, most=len(state.trials)))
    if found.shares:
        shares = "  ".join(f"{name} {share:.0%}" for name, share in found.shares.items())
        call.say(f"what mattered: {escape(shares)}")
    else:
        call.say(f"[dim]what mattered: {escape(found.reason)}[/]")
    call.answer({**described(state), "importance": dict(found.shares), "importance_note": found.reason})


@command(app, "best")
def best(call: Invocation, name: NameArgument) -> None:
    """The best trial's hyperparameters."""
    with call.workspace() as workspace:
        state = tuning_state(workspace.records, name)
    found = described_best(state.best)
    if found is None:
        raise NotFound(f"tuning job {name!r} has no completed trial (it is {state.status.value}); see `tuning show`")
    for key, value in found["hyperparameters"].items():
        call.say(f"{key} = {value}")
    call.say(f"{state.settings.objective} = {found['value']:.6g}  ({found['job']})")
    call.answer(found)


@command(app, "resume")
def resume(call: Invocation, name: NameArgument, wait: WaitOption = True) -> None:
    """Go on with a tuning job that was interrupted: no trial is lost, none is run twice."""
    with call.workspace() as workspace, Display(call.console) as display:
        coordinator = coordination.resume(workspace, name)
        display.stage(f"Going on with {name}")
        state = await_end(workspace, coordinator, display, wait)
    say_best(call, state)
    call.answer(described(state))


@command(app, "stop")
def stop(call: Invocation, name: NameArgument) -> None:
    """Ask a tuning job to stop: its trials are stopped, and `resume` goes on with them later."""
    with call.workspace() as workspace:
        state = coordination.request_stop(workspace.records, name)
    call.say(f"asked {name} to stop; `tintype tuning show {name}` says when it has")
    call.answer({"name": name, "status": state.status.value})


@command(app, "delete")
def delete(call: Invocation, name: NameArgument, yes: YesOption = False) -> None:
    """Remove a tuning job that does not run, and its trials: their records, folders and models."""
    with settled(call) as (workspace, _):
        delete_asked(call, workspace, of_tuning_job, name, yes=yes)


@command(app, "export")
def export(
    call: Invocation,
    name: NameArgument,
    csv_file: Annotated[Path | None, output_option("--csv", "Write to this file instead of the screen.")] = None,
) -> None:
    """The table of trials as CSV, with the columns of SageMaker's tuning analytics."""
    with call.workspace() as workspace:
        state = tuning_state(workspace.records, name)
    _export(call, state, csv_file)
    call.answer({"name": name, "rows": len(state.trials), "file": str(csv_file) if csv_file else None})


def _export(call: Invocation, state: TuningState, path: Path | None) -> None:
    table = as_csv(state)
    if path is None:
        typer.echo(table.decode(), nl=False, err=call.json)
        return
    write_named(path, table)
    call.say(f"wrote {len(state.trials)} rows to {escape(str(path))}")
