"""`tintype env`: the exports that point AWS's clients at the server of this home."""

from __future__ import annotations

import os
import shlex
import sysconfig
from pathlib import Path
from typing import Annotated

import typer

import tintype
from tintype.cli.invocation import Invocation

DEFAULT_PORT = 8400


def env(
    call: Invocation,
    port: Annotated[int | None, typer.Option(min=1, max=65535, help="The running server's, or 8400.")] = None,
    host: Annotated[str, typer.Option(help="Where the server is, with --port.")] = "127.0.0.1",
) -> None:
    """Print what `eval "$(tintype env)"` sets: the address and key for boto3, the SageMaker SDK, smdebug and the aws
    command.
    """
    from tintype.web.account import Account  # here: the other commands need none of these
    from tintype.web.client_environment import client_environment
    from tintype.web.keys import home_key
    from tintype.web.presence import running_url

    home = call.settings.home
    running = running_url(home) if port is None else None
    url = running or f"http://{host}:{port or DEFAULT_PORT}"
    found = client_environment(home, url, home_key(home), Account(), os.environ, packages())
    if call.json:
        call.answer({"variables": dict(found.variables), "unset": list(found.unset)})
        return
    for name, value in found.variables.items():
        typer.echo(f"export {name}={shlex.quote(value)}")
    typer.echo(f"unset {' '.join(found.unset)}")


def packages() -> list[Path]:
    """Where Tintype and what it needs are imported from."""
    ours = Path(tintype.__file__).parents[1]
    return list(dict.fromkeys([ours, Path(sysconfig.get_path("purelib")), Path(sysconfig.get_path("platlib"))]))
