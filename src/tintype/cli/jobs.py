"""`tintype jobs`: what ran, what runs, what it said."""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from tintype.cli.deletion import YesOption, delete_asked
from tintype.cli.display import name_column
from tintype.cli.invocation import Invocation, command
from tintype.cli.job_watch import add_live, live_of, watch_job
from tintype.cli.output_file import output_option
from tintype.errors import Conflict, InvalidRequest, JobFailed, NotFound
from tintype.jobs.client import Engine
from tintype.jobs.directory import JobDirectory
from tintype.jobs.job import Job, Status
from tintype.jobs.store import JobStore
from tintype.pipeline.deletion import of_training_job
from tintype.pipeline.job_summary import described, duration, moment, settings_of, summary, verdict
from tintype.storage import write_named
from tintype.workspace import Workspace

app = typer.Typer(help="Training jobs: list, show, logs, stop, wait, delete.", no_args_is_help=True)

POLL_SECONDS = 0.3
NONE_YET = "no training jobs yet; `tintype run DATA` or `tintype train DATA` makes one"

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="The training job's name.")]


@command(app, "list")
def list_jobs(
    call: Invocation,
    status: Annotated[str | None, typer.Option(help="Only those in this state.")] = None,
    trials: Annotated[bool, typer.Option("--trials", help="The trials of tuning jobs too.")] = False,
    limit: Annotated[int, typer.Option(min=1, help="At most so many, newest first.")] = 50,
) -> None:
    """Training jobs, newest first."""
    with settled(call) as (workspace, _):
        jobs = workspace.jobs.list(status=_status(status), parent=None if trials else "", limit=limit)
        hidden = not jobs and bool(workspace.jobs.list(status=_status(status), limit=1))
    table = Table(box=None, padding=(0, 2))
    name_column(table)
    for column in ("status", "created", "seconds", "hyperparameters"):
        table.add_column(column, justify="right" if column == "seconds" else "left")
    for job in jobs:
        settings = " ".join(f"{name}={value}" for name, value in settings_of(job).items())
        table.add_row(escape(job.name), job.status, moment(job.created_at), duration(job), escape(settings))
    none = NONE_YET if status is None else f"no training job is {_status(status)}; `tintype jobs list` lists all"
    if hidden:
        none = "none but trials of tuning jobs; --trials lists those too"
    call.say(table if jobs else none)
    call.answer({"jobs": [summary(job) for job in jobs]})


@command(app, "show")
def show(
    call: Invocation,
    name: NameArgument,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Go on, once a second, until it ends.")] = False,
) -> None:
    """One training job: its state, settings and metrics; while it runs, what the machine does and what limits it."""
    with settled(call) as (workspace, engine):

        def describe() -> dict[str, Any]:
            engine.settle()
            job = workspace.jobs.get(name)
            live = None if job.status.is_finished else live_of(job.directory)
            return {**described(workspace.jobs, job), "live": live and live.to_json()}

        document = watch_job(call.console, describe, job_table) if watch else describe()
    if not watch:
        call.say(job_table(document))
    call.answer(document)


def job_table(document: dict[str, Any]) -> Table:
    """One training job as a table of two columns."""
    table = Table(box=None, padding=(0, 2), show_header=False)
    for key in ("name", "status", "secondary_status", "failure_reason", "created", "seconds", "directory", "archive"):
        if document[key]:
            table.add_row(key.replace("_", " "), escape(str(document[key])))
    for key, value in document["hyperparameters"].items():
        table.add_row(key, escape(str(value)))
    for key, figures in document["metrics"].items():
        table.add_row(key, "  ".join(f"{word} {figures[word]:.4g}" for word in ("last", "min", "max")))
    for one in document["rules"]:
        table.add_row(f"rule {one['name']}", escape(verdict(one)))
    if document["live"]:
        add_live(table, document["live"])
    return table


@command(app, "logs")
def logs(
    call: Invocation,
    name: NameArgument,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until the job ends.")] = False,
    csv_file: Annotated[Path | None, output_option("--csv", "Write timestamp,message rows to a file.")] = None,
) -> None:
    """What a job said, line by line, with times."""
    with settled(call) as (workspace, _):
        job = workspace.jobs.get(name)
        if job.status.is_finished and not Path(job.directory).is_dir():
            raise NotFound(f"the log of job {name!r} is gone with its folder, {job.directory}; its record is left")
        lines: list[str] = []
        for line in log_lines(workspace.jobs, job, follow=follow):
            if csv_file or call.json:
                lines.append(line)
            if not csv_file:
                typer.echo(line, err=call.json)
    if csv_file:
        write_named(csv_file, as_csv(lines))
        call.say(f"wrote {len(lines)} rows to {escape(str(csv_file))}")
    call.answer({"name": name, "lines": lines})


@command(app, "stop")
def stop(call: Invocation, name: NameArgument) -> None:
    """Ask a running job to stop: SIGTERM now, SIGKILL to all of it after 120 seconds."""
    with settled(call) as (workspace, engine):
        found = workspace.jobs.get(name)            # a name that is near is more use than a conflict
        if found.status.is_finished:
            raise Conflict(f"training job {name!r} is {found.status}; there is nothing to stop")
        job = engine.stop(name)
    call.say(f"asked {name} to stop; `tintype jobs wait {name}` waits for it")
    call.answer({"name": name, "status": job.status})


@command(app, "wait")
def wait(call: Invocation, name: NameArgument) -> None:
    """Wait for a job to end. Exit code 1 when it failed."""
    with settled(call) as (workspace, engine):
        job = engine.wait(name)
        call.say(f"{name}: {job.status}")
        call.answer(described(workspace.jobs, job))
    if job.status is Status.FAILED:
        raise JobFailed(f"job {name} failed: {job.failure_reason}", JobDirectory(Path(job.directory)).log_tail())


@command(app, "delete")
def delete(call: Invocation, name: NameArgument, yes: YesOption = False) -> None:
    """Remove a job that has ended: its record, its folder, its model. Endpoints that serve it go on."""
    with settled(call) as (workspace, _):
        delete_asked(call, workspace, of_training_job, name, yes=yes)


@contextmanager
def settled(call: Invocation) -> Iterator[tuple[Workspace, Engine]]:
    """The workspace and its engine, with no record that says what is not so any more."""
    with call.workspace() as workspace, workspace.engine() as engine:
        engine.settle()
        yield workspace, engine


def log_lines(store: JobStore, job: Job, *, follow: bool) -> Iterator[str]:
    """The lines of a job's log; with `follow`, those to come as well, until it has ended."""
    log = JobDirectory(Path(job.directory)).log
    while follow and not log.exists() and not store.get(job.name).status.is_finished:
        time.sleep(POLL_SECONDS)
    if not log.exists():
        return
    with log.open(encoding="utf-8", errors="replace") as stream:
        line = ""
        while True:
            ended = not follow or store.get(job.name).status.is_finished      # before reading, so that nothing is lost
            while piece := stream.readline():
                line += piece
                if line.endswith("\n"):
                    yield line.rstrip("\n")
                    line = ""
            if ended:
                if line:
                    yield line
                return
            time.sleep(POLL_SECONDS)


def as_csv(lines: Sequence[str]) -> bytes:
    """`timestamp,message` rows, as CloudWatch's console exports them."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(("timestamp", "message"))
    writer.writerows(line.split(" ", 1) if " " in line else (line, "") for line in lines)
    return text.getvalue().encode()


def _status(word: str | None) -> Status | None:
    if word is None:
        return None
    for status in Status:
        if status.lower() == word.lower():
            return status
    raise InvalidRequest(f"--status: there is no state {word!r}; the states are {', '.join(Status)}")
