"""`tintype server`: the SageMaker API, S3 and the pages, on one port."""

from __future__ import annotations

import sys
from threading import Thread
from typing import Annotated

import typer

from tintype.cli.invocation import Invocation


def server(
    call: Invocation,
    host: Annotated[str, typer.Option(help="Where to listen. Others than this machine need the key all the same.")] = (
        "127.0.0.1"
    ),
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: a free one.")] = 8400,
) -> None:
    """Answer AWS's clients: SageMaker, S3, CloudWatch, STS and IAM as far as the work here needs them. Ctrl-C ends it.

    Jobs and endpoints that it was asked for are processes of their own, and go on without it.
    """
    from tintype.web.server import Running, load_models, serve  # here: others need no server

    def ready(running: Running) -> None:
        call.say(f"Tintype is at {running.url}, on {call.settings.home}")
        call.say(f"  in a shell or before a notebook:  [bold]eval \"$(tintype env)\"[/]{_home_option(call)}")
        call.say(f"  in a browser:                     {running.sign_in_url}")
        call.say(f"  default bucket:                   s3://{running.default_bucket}")
        if host not in ("127.0.0.1", "localhost", "::1"):
            call.say("  [yellow]Others can reach it: only with the home's key, but nothing is encrypted.[/]")
        call.answer({"url": running.url, "sign_in_url": running.sign_in_url, "default_bucket": running.default_bucket})
        sys.stdout.flush()                      # who reads this from a pipe waits for it
        Thread(target=load_models, name="models", daemon=True).start()

    with call.workspace() as workspace:
        try:
            serve(workspace, host, port, ready)
        except KeyboardInterrupt:               # Ctrl-C and SIGTERM, when all that was under way has been answered
            call.say("the server has stopped")


def _home_option(call: Invocation) -> str:
    return f"      [dim](with --home {call.settings.home} unless TINTYPE_HOME says so)[/]"
