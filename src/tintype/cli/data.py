"""`tintype data`: what is in a folder, what is wrong with it, and what is cached of it."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from tintype.cli.display import Display
from tintype.cli.invocation import Invocation, command
from tintype.cli.training_options import DataArgument, StrictOption
from tintype.datasets import image_cache
from tintype.datasets.cache_folder import Entry
from tintype.datasets.checks import check as check_dataset
from tintype.datasets.folder import open_dataset
from tintype.errors import BadData
from tintype.pipeline.job_summary import moment
from tintype.pipeline.training_jobs import absolute
from tintype.reports.wording import counted
from tintype.storage import directory_bytes

app = typer.Typer(help="Data sets: check, cache.", no_args_is_help=True)

STYLES = {"error": "red", "warning": "yellow"}
FILES_SHOWN = 5
MIB = 1024**2


@command(app, "check")
def check(call: Invocation, data: DataArgument, strict: StrictOption = False) -> None:
    """What is in a folder of images, and every problem with it. With --strict, exit code 2 when there is an error."""
    with call.workspace() as workspace, Display(call.console) as display:
        dataset = open_dataset(absolute(data), workdir=workspace.data)
        report = check_dataset(
            dataset,
            max_pixels=call.settings.max_image_pixels,
            progress=lambda done, total: display.progress("look at images", done, total),
        ).to_json()
    size = f"{counted(report['images'], 'image')}, {counted(len(report['classes']), 'class')}"
    call.say(f"[bold]{escape(data)}[/]: {size}; {dataset.layout}")
    for note in dataset.notes:
        call.say(f"  [dim]{escape(note)}[/]")
    call.say(counts_table(report))
    for key in ("sizes", "formats"):
        if report.get(key):
            call.say(f"  {key}: {escape(as_text(report[key]))}")
    for problem in report["problems"]:
        say_problem(call, problem)
    if not report["problems"]:
        call.say("[green]no problems found[/]")
    call.answer(report)
    errors = [problem for problem in report["problems"] if problem["severity"] == "error"]
    if strict and errors:
        raise BadData(f"{data} has errors: " + ", ".join(f"{one['kind']} ({one['count']})" for one in errors))


@command(app, "cache")
def cache(
    call: Invocation,
    clear: Annotated[bool, typer.Option("--clear", help="Delete everything that is cached.")] = False,
) -> None:
    """Decoded images and backbone features: what is kept, and how large it is. Safe to delete at any time."""
    images, features = call.settings.caches / "images", call.settings.caches / "features"
    if clear:
        freed = sum(directory_bytes(one) for one in (images, features) if one.is_dir())
        image_cache.clear(images)
        image_cache.clear(features)
        call.say(f"freed {freed / MIB:,.1f} MiB")
    rows = [
        described(kind, entry)
        for kind, folder in (("images", images), ("features", features))
        for entry in image_cache.entries(folder)
        if entry.description.get("images") != 0         # of a split that is not there
    ]
    table = Table(box=None, padding=(0, 2))
    for column in ("kind", "of", "view", "images", "MiB", "last used"):
        table.add_column(column, justify="right" if column in ("images", "MiB") else "left")
    for row in rows:
        size = f"{row['bytes'] / MIB:,.1f}"
        table.add_row(row["kind"], escape(row["of"]), row["view"], f"{row['images']:,}", size, row["last_used"])
    call.say(table if rows else "nothing is cached")
    limit, directory = call.settings.cache_limit_bytes, str(call.settings.caches)
    call.answer({"entries": rows, "limit_bytes": limit, "directory": directory})


def described(kind: str, entry: Entry) -> dict[str, Any]:
    """A row of `data cache --json`."""
    return {
        "kind": kind,
        "key": entry.key,
        "images": entry.description.get("images", 0),
        "of": entry.description.get("root", ""),
        "view": entry.description.get("view", ""),
        "bytes": entry.bytes,
        "last_used": moment(entry.last_used),
        "in_use": entry.in_use,
    }


def counts_table(report: dict[str, Any]) -> Table:
    """Images per class and split."""
    splits = [split for split, counts in report["splits"].items() if sum(counts.values())]
    table = Table(box=None, padding=(0, 2))
    table.add_column("class")
    for split in splits:
        table.add_column(split, justify="right")
    for name in report["classes"]:
        table.add_row(escape(name), *(f"{report['splits'][split].get(name, 0):,}" for split in splits))
    table.add_row("[bold]all[/]", *(f"[bold]{sum(report['splits'][split].values()):,}[/]" for split in splits))
    return table


def say_problem(call: Invocation, problem: dict[str, Any]) -> None:
    """One problem: what, how many, what to do, the first files, or what is said of classes."""
    style = STYLES.get(problem["severity"], "cyan")
    call.say(f"[{style}]{problem['kind']}[/] ({problem['count']:,}): {escape(problem['advice'])}")
    shown = problem["files"] or problem["details"]
    for one in shown[:FILES_SHOWN]:
        call.say(f"    {escape(one if isinstance(one, str) else ' = '.join(one))}")
    if problem["count"] > FILES_SHOWN and len(shown) > FILES_SHOWN:
        call.say("    ...")


def as_text(value: Any) -> str:
    """`JPEG 397, PNG 3`."""
    if isinstance(value, dict):
        return ", ".join(f"{key} {as_text(one)}" for key, one in value.items())
    return str(value)
