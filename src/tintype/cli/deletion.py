"""`jobs delete` and `tuning delete`: what goes is said and asked about, then deleted."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.prompt import Confirm

from tintype.cli.invocation import Invocation
from tintype.errors import InvalidRequest
from tintype.pipeline.deletion import Deletion, Look, delete, foreseen
from tintype.reports.wording import counted
from tintype.storage import directory_bytes
from tintype.workspace import Workspace

YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]

DECLINED = 1
MIB = 1024**2


def delete_asked(call: Invocation, workspace: Workspace, look: Look, name: str, *, yes: bool) -> None:
    """Say what goes, ask, and delete it. Raises what `look` raises, and `InvalidRequest` when nobody can be asked."""
    found = foreseen(workspace, look, name)
    size = sum(directory_bytes(one) for one in found.folders if one.is_dir())
    if not yes:
        if sys.stdin is None or not sys.stdin.isatty():
            raise InvalidRequest(f"nobody is there to be asked whether {name!r} may go; --yes deletes it unasked")
        if not agreed(call.console, question(found, size)):
            call.say(f"{name} stays")
            raise typer.Exit(DECLINED)
    done = delete(workspace, look, name)
    call.say(f"{name} is deleted; freed {size / MIB:,.1f} MiB")
    for line in also_said(done):
        call.say(f"[dim]{escape(line)}[/]")
    call.answer(described(done, size))


def question(found: Deletion, size: int) -> str:
    """What is to be agreed to."""
    trials = "" if found.jobs == (found.name,) else f" with {counted(len(found.jobs), 'trial')}"
    run = f" and the report of the run {found.run}" if found.run else ""
    return f"Delete {found.name}{trials}{run}, {size / MIB:,.1f} MiB?"


def also_said(done: Deletion) -> list[str]:
    """What went besides, what was made of it and goes on, and what lies elsewhere."""
    served = [f"endpoint {one} has a copy of its model and goes on" for one in done.endpoints]
    run = [f"the run {done.run}, of which this was the last, went with it"] if done.run else []
    return [*run, *served, *(f"{one} is outside the home and stays" for one in done.elsewhere)]


def agreed(console: Console, asked: str) -> bool:
    """Whether a person says yes. Whoever closes the input has not."""
    try:
        return Confirm.ask(escape(asked), console=console, default=False)
    except EOFError:
        console.print()
        return False


def described(done: Deletion, size: int) -> dict[str, Any]:
    """The answer of --json."""
    return {
        "name": done.name,
        "status": "Deleted",
        "jobs": list(done.jobs),
        "run": done.run,
        "bytes": size,
        "endpoints": list(done.endpoints),
        "kept": list(done.elsewhere),
    }
