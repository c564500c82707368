"""`python -m tintype.serving`: serve one model over HTTP until SIGTERM.

Exit code 0 after SIGTERM, 2 when it was asked for something that cannot be, 1 when it failed. What it has to say goes
to standard error, or with --log FILE there, see `server_log`. With --state FILE, that file tells who serves, where, or
why not (see `process.State`).

This process only holds the socket and keeps the others alive, see `supervisor`; its options are those of its front.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path

from tintype.errors import InvalidRequest, TintypeError
from tintype.serving.front.listening import check_exposure, listen
from tintype.serving.front.server_log import kept_in
from tintype.serving.front.supervisor import Supervisor
from tintype.serving.token import token_of

DEFAULT_DRAIN_SECONDS = "20"            # as in `ServerSettings`, which takes longer to import than all of this
HELP = {"-h", "--help"}
PROGRAM = "python -m tintype.serving"
USAGE = f"{PROGRAM} --archive FILE [options]; --help lists them"

log = logging.getLogger("tintype.serving")


def main(arguments: Sequence[str], environ: Mapping[str, str]) -> int:
    """Serve as the arguments say, and return the exit code."""
    if HELP & set(arguments):
        import_module("tintype.serving.options").parser().print_help()
        return 0
    options, _ = own_parser().parse_known_args(arguments)
    try:
        check_exposure(options.host, token_of(options.token_file, environ))
        with kept_in(options.log), listen(options.host, options.port) as listener:
            return Supervisor(listener, arguments, drain_seconds(options.drain_seconds)).run()
    except TintypeError as error:
        log.error("%s", error)
        tell(options.state, str(error))
        return error.exit_code


def own_parser() -> argparse.ArgumentParser:
    """The few options that are needed here; the front reads them all."""
    made = argparse.ArgumentParser(add_help=False, allow_abbrev=False, prog=PROGRAM, usage=USAGE)
    made.add_argument("--host", default="127.0.0.1")
    made.add_argument("--port", type=int, default=0)
    made.add_argument("--state", type=Path)
    made.add_argument("--log", type=Path)
    made.add_argument("--token-file", type=Path)
    made.add_argument("--drain-seconds", default=DEFAULT_DRAIN_SECONDS)
    return made


def drain_seconds(text: str) -> float:
    """The number. `InvalidRequest` when it is none."""
    try:
        return max(0.0, float(text))
    except ValueError as error:
        raise InvalidRequest(f"--drain-seconds is a number of seconds, got {text!r}") from error


def tell(state: Path | None, failure: str) -> None:
    """Leave the reason in the state file, as the front would have done."""
    if state is not None and state.parent.is_dir():
        process = import_module("tintype.serving.endpoints.process")
        process.State(process.ProcessIdentity.own()).failed(failure).write(state)


def run() -> None:
    """The process: logging, and the exit code."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    sys.exit(main(sys.argv[1:], os.environ))


if __name__ == "__main__":
    run()
