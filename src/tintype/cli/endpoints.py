"""`tintype endpoints`: list, show, delete."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from tintype.cli.invocation import Invocation, command
from tintype.errors import not_found
from tintype.serving.endpoints import Endpoints

app = typer.Typer(help="Endpoints: list, show, delete.", no_args_is_help=True)

NameArgument = Annotated[str, typer.Argument(metavar="ENDPOINT", help="The endpoint's name.")]


@command(app, "list")
def list_endpoints(call: Invocation) -> None:
    """All endpoints."""
    with call.workspace() as workspace:
        endpoints = Endpoints(workspace.records).list()
    table = Table(box=None, padding=(0, 2))
    for column in ("name", "status", "url", "reason"):
        table.add_column(column)
    for one in endpoints:
        table.add_row(escape(one.name), one.status, one.url or "", escape(one.failure_reason))
    call.say(table if endpoints else "no endpoints; `tintype deploy NAME` makes one")
    call.answer({"endpoints": [one.describe() for one in endpoints]})


@command(app, "show")
def show(call: Invocation, name: NameArgument) -> None:
    """One endpoint."""
    with call.workspace() as workspace:
        endpoint = Endpoints(workspace.records).get(name)
    table = Table(box=None, padding=(0, 2), show_header=False)
    for key, value in endpoint.describe().items():
        if value:
            table.add_row(key.replace("_", " "), escape(str(value)))
    call.say(table)
    call.answer(endpoint.describe())


@command(app, "delete")
def delete(call: Invocation, name: NameArgument) -> None:
    """Stop an endpoint's server and remove it."""
    with call.workspace() as workspace:
        endpoints = Endpoints(workspace.records)
        if not endpoints.delete(name):
            raise not_found("endpoint", name, [one.name for one in endpoints.list()])
    call.say(f"{name} is deleted")
    call.answer({"name": name, "status": "Deleted"})
