"""`tintype deploy`: an archive, or several, as an endpoint."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.markup import escape

from tintype.cli.endpoints import facts_of, numbers_of
from tintype.cli.invocation import Invocation
from tintype.jobs.names import JOB_LENGTH, stem_of
from tintype.jobs.supervisor import ENVIRONMENTS
from tintype.pipeline.endpoint_plan import Wanted, config_of
from tintype.serving.endpoints.deployment import Deployment
from tintype.serving.endpoints.store import Endpoints


def deploy(
    call: Invocation,
    name: Annotated[str, typer.Argument(metavar="NAME", help="A run, job, trial, tuning job, archive, or its folder.")],
    endpoint: Annotated[str | None, typer.Option(help="The endpoint's name; NAME when left out.")] = None,
    instances: Annotated[int, typer.Option(min=1, max=256, help="Worker processes of each variant.")] = 1,
    max_instances: Annotated[int | None, typer.Option(min=1, max=256, help="By load, up to so many.")] = None,
    variant: Annotated[
        list[str] | None, typer.Option(metavar="NAME=MODEL[:WEIGHT]", help="Another model that shares the traffic.")
    ] = None,
    shadow: Annotated[
        list[str] | None, typer.Option(metavar="NAME=MODEL[:PERCENT]", help="A model that is asked too, and compared.")
    ] = None,
    capture: Annotated[
        float | None, typer.Option(min=0, max=100, metavar="PERCENT", help="Of the requests, to be kept with answers.")
    ] = None,
    capture_to: Annotated[
        str, typer.Option(metavar="FOLDER|URL", help="Where to, such as s3://bucket/prefix; else the endpoint's own.")
    ] = "",
    host: Annotated[str, typer.Option(help="Where to listen; others than this machine need a token.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: a free one.")] = 0,
    token: Annotated[str | None, typer.Option(envvar="TINTYPE_TOKEN", help="What callers must send.")] = None,
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Until it answers.")] = True,
) -> None:
    """Serve a model over HTTP, in processes of its own, until `tintype endpoints delete`."""
    wanted = Wanted(name, variant or (), shadow or (), instances, max_instances, capture, capture_to)
    with call.workspace() as workspace:
        config = config_of(workspace, wanted)
        title = endpoint or (workspace.jobs.get(name).name if workspace.jobs.exists(name) else name_of(name))
        deployment = Deployment(
            name=title,
            archive=None,
            directory=workspace.endpoint_directory(title),
            host=host,
            port=port,
            token=token,
            config=config,
            environments=workspace.home / ENVIRONMENTS,
        )
        endpoints = Endpoints(workspace.records)
        started = endpoints.start(deployment) if wait else endpoints.create(deployment)
    if started.url is None:
        call.say(f"{started.name} is being created; `tintype endpoints show {started.name}` tells what becomes of it")
    else:
        call.say(f"{started.name} is in service at {started.url}; open it in a browser to try it")
        call.say(f"[dim]curl --data-binary @photo.jpg -H 'Content-Type: image/jpeg' {started.url}/invocations[/]")
        for line in numbers_of(facts_of(started)):
            call.say(f"[dim]{escape(line)}[/]")
    call.say(f"[dim]tintype endpoints delete {started.name} ends it[/]")
    call.answer(started.describe())


def name_of(archive: str) -> str:
    """An endpoint's name from the name of a run, or from that of an archive file."""
    return stem_of(archive.rstrip("/").rsplit("/", 1)[-1].split(".")[0], JOB_LENGTH)
