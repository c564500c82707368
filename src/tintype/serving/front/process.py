"""`python -m tintype.serving.front.process LISTENER NURSERY READY PARENT ...`: the front of an endpoint, as a process.

Started by the supervisor, which it dies with. The first three arguments are descriptors: the listening socket, the
connection to the fork server, a pipe that hears when requests are answered. The rest is the server's command line.
Exit code 0 after SIGTERM, 2 when it was asked for something that cannot be, 1 when it failed; with --state FILE, that
file tells who serves, where, or why not (see `process.State`).
"""

from __future__ import annotations

import argparse
import contextlib
import faulthandler
import logging
import os
import socket
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NoReturn

from tintype.errors import NotFound, TintypeError
from tintype.jobs import processes
from tintype.serving.endpoints.process import ProcessIdentity, State
from tintype.serving.front.endpoint_serving import one_endpoint
from tintype.serving.front.front import Front, Serving, one_model, run
from tintype.serving.front.listening import address_of
from tintype.serving.options import definition_of, parser, settings_of
from tintype.serving.token import token_of
from tintype.serving.workers.nursery import Nursery

TITLE = "tintype-front"
FRONT_ARGUMENTS = 4

log = logging.getLogger("tintype.serving")


def serving_of(options: argparse.Namespace) -> Serving:
    """What the options ask to be served."""
    return one_endpoint(options.name, options.endpoint) if options.endpoint else one_model(definition_of(options))


def scratch_of(state: Path | None, supervisor: int) -> Path:
    """The endpoint's own folder for unpacked models: the same one for each of its fronts."""
    return state.parent / "scratch" if state else Path(tempfile.gettempdir(), f"tintype-serving-{supervisor}")


def serve(
    options: argparse.Namespace, environ: Mapping[str, str], inherited: tuple[int, int, int], state: State
) -> None:
    """Answer on the listener until SIGTERM. Raises `TintypeError` when that cannot be."""
    listener, nursery, ready = inherited
    settings, token = settings_of(options), token_of(options.token_file, environ)
    serving = serving_of(options)
    environments = options.environments or Path(tempfile.gettempdir(), f"tintype-environments-{os.getuid()}")
    with socket.socket(fileno=listener) as listening:
        host, port = address_of(listening)

        def on_ready() -> None:
            state.listening(host, port).write(options.state)
            log.info("serving %s on %s port %d", options.name, host, port)
            with contextlib.suppress(OSError):
                os.write(ready, b"1")

        connection = Nursery(socket.socket(fileno=nursery))
        scratch = scratch_of(options.state, state.process.pid)
        run(Front(listening, connection, settings, token, scratch, environments, serving, on_ready))


def main(arguments: Sequence[str], environ: Mapping[str, str], inherited: tuple[int, int, int], parent: int) -> int:
    """Serve as the arguments say, and return the exit code."""
    options = parser().parse_args(arguments)
    state = State(ProcessIdentity.of(parent))
    try:
        if options.state and not options.state.parent.is_dir():
            raise NotFound(f"the folder {options.state.parent} is gone; the endpoint was deleted")
        state.write(options.state)
        serve(options, environ, inherited, state)
    except TintypeError as error:
        log.error("%s", error)
        if options.state and options.state.parent.is_dir():
            state.failed(str(error)).write(options.state)
        return error.exit_code
    return 0


def start() -> NoReturn:
    """The process: its parent, its name, logging, crash reports."""
    listener, nursery, ready, parent = map(int, sys.argv[1 : 1 + FRONT_ARGUMENTS])
    processes.die_with(parent)
    processes.show_as(TITLE)
    for descriptor in (listener, nursery, ready):
        os.set_inheritable(descriptor, False)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    faulthandler.enable()
    code = main(sys.argv[1 + FRONT_ARGUMENTS :], os.environ, (listener, nursery, ready), parent)
    logging.shutdown()
    os._exit(code)          # threads that still fetch a picture must not delay the end


if __name__ == "__main__":
    start()
