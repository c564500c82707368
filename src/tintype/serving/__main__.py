"""`python -m tintype.serving`: serve one model archive over HTTP until SIGTERM.

Exit code 0 after SIGTERM, 2 when it was asked for something that cannot be, 1 when it failed. What it has to say goes
to standard error. With --state FILE, that file tells who serves, where, or why not (see `process.State`).
"""

from __future__ import annotations

import argparse
import faulthandler
import logging
import math
import os
import signal
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import uvicorn
from pydantic import ValidationError

from tintype.errors import InvalidRequest, NotFound, TintypeError
from tintype.serving.listening import address_of, listen
from tintype.serving.predictor import Predictor
from tintype.serving.process import ProcessIdentity, State
from tintype.serving.server import create_app
from tintype.serving.settings import ServerSettings, check_exposure

TOKEN_VARIABLE = "TINTYPE_TOKEN"
SECURITY_HEADERS = [("X-Content-Type-Options", "nosniff"), ("Cache-Control", "no-store")]

log = logging.getLogger("tintype.serving")


def main(arguments: Sequence[str], environ: Mapping[str, str]) -> int:
    """Serve as the arguments say, and return the exit code."""
    options = parser().parse_args(arguments)
    state = State(ProcessIdentity.own())
    try:
        if options.state and not options.state.parent.is_dir():
            raise NotFound(f"the folder {options.state.parent} is gone; the endpoint was deleted")
        state.write(options.state)
        serve(options, environ, state)
    except TintypeError as error:
        log.error("%s", error)
        if options.state and options.state.parent.is_dir():
            state.failed(str(error)).write(options.state)
        return error.exit_code
    return 0


def serve(options: argparse.Namespace, environ: Mapping[str, str], state: State) -> None:
    """Take the port, load the model, answer until SIGTERM, drain."""
    settings, token = settings_of(options), token_of(options.token_file, environ)
    check_exposure(options.host, token)
    with listen(options.host, options.port) as listener, tempfile.TemporaryDirectory() as scratch:
        host, port = address_of(listener)
        predictor = Predictor.open(
            options.archive,
            Path(scratch, "model"),
            runtime=settings.runtime,
            threads=settings.inference_threads,
            max_pixels=settings.max_pixels,
        )
        state.listening(host, port).write(options.state)
        log.info("serving %s with %s on %s port %d", options.name, predictor.runtime_name, host, port)
        config = uvicorn.Config(
            create_app(predictor, settings, token),
            ws="none",
            lifespan="on",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            headers=SECURITY_HEADERS,
            timeout_graceful_shutdown=math.ceil(settings.drain_seconds),
        )
        uvicorn.Server(config).run(sockets=[listener])


def parser() -> argparse.ArgumentParser:
    """The options: where and what, and every field of `ServerSettings`."""
    made = argparse.ArgumentParser(prog="python -m tintype.serving", description="Serve one model archive over HTTP.")
    made.add_argument("--archive", type=Path, required=True, help="a model.tar.gz, or the folder it was unpacked to")
    made.add_argument("--host", default="127.0.0.1", help="the address to listen on; others than loopback need a token")
    made.add_argument("--port", type=int, default=0, help="0 takes a free one")
    made.add_argument("--name", default="model", help="for the log")
    made.add_argument("--state", type=Path, help="a JSON file that tells the pid, the address and a failure")
    made.add_argument("--token-file", type=Path, help=f"holds the token callers must send; or set {TOKEN_VARIABLE}")
    for name, field in ServerSettings.model_fields.items():
        made.add_argument(f"--{name.replace('_', '-')}", default=argparse.SUPPRESS, help=field.description)
    return made


def settings_of(options: argparse.Namespace) -> ServerSettings:
    """The settings among the options. `InvalidRequest` names the one that is wrong."""
    given = {name: value for name, value in vars(options).items() if name in ServerSettings.model_fields}
    try:
        return ServerSettings.model_validate(given)
    except ValidationError as error:
        first = error.errors()[0]
        raise InvalidRequest(f"--{str(first['loc'][0]).replace('_', '-')}: {first['msg']}") from error


def token_of(path: Path | None, environ: Mapping[str, str]) -> str | None:
    """The token in the file, else that in the environment, else None."""
    if path is None:
        return environ.get(TOKEN_VARIABLE) or None
    try:
        token = path.read_text().strip()
    except OSError as error:
        raise NotFound(f"the token file {path} cannot be read: {error.strerror}") from error
    if not token:
        raise InvalidRequest(f"the token file {path} is empty; put a token in it")
    return token


def run() -> None:
    """The process: logging, SIGTERM as a plain exit, crash reports."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    faulthandler.enable()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))       # before uvicorn listens for it, and after
    sys.exit(main(sys.argv[1:], os.environ))


if __name__ == "__main__":
    run()
