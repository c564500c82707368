"""`tintype deploy`: an archive as an endpoint."""

from __future__ import annotations

from typing import Annotated

import typer

from tintype.cli.invocation import Invocation
from tintype.pipeline.deployment import archive_of
from tintype.serving.deployment import Deployment
from tintype.serving.endpoints import Endpoints


def deploy(
    call: Invocation,
    name: Annotated[str, typer.Argument(metavar="NAME", help="A run, a training job, a trial, or a model.tar.gz.")],
    endpoint: Annotated[str | None, typer.Option(help="The endpoint's name; NAME when left out.")] = None,
    host: Annotated[str, typer.Option(help="Where to listen; others than this machine need a token.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: a free one.")] = 0,
    token: Annotated[str | None, typer.Option(envvar="TINTYPE_TOKEN", help="What callers must send.")] = None,
) -> None:
    """Serve a model over HTTP, in a process of its own, until `tintype endpoints delete`."""
    with call.workspace() as workspace:
        archive = archive_of(workspace, name)
        title = endpoint or (workspace.jobs.get(name).name if workspace.jobs.exists(name) else name_of(name))
        wanted = Deployment(
            name=title,
            archive=archive,
            directory=workspace.endpoint_directory(title),
            host=host,
            port=port,
            token=token,
        )
        started = Endpoints(workspace.records).start(wanted)
    call.say(f"{started.name} is in service at {started.url}")
    call.say(f"[dim]curl -X POST -H 'Content-Type: image/jpeg' --data-binary @photo.jpg {started.url}/invocations[/]")
    call.say(f"[dim]tintype endpoints delete {started.name} ends it[/]")
    call.answer(started.describe())


def name_of(archive: str) -> str:
    """An endpoint's name from the name of a run, or from that of an archive file."""
    return archive.rstrip("/").rsplit("/", 1)[-1].split(".")[0]
