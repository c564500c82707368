"""`tintype`: the command table, and how errors become one readable line."""

from __future__ import annotations

import signal
import sys
import traceback

import typer

from tintype import __version__
from tintype.cli import data, debug, deploy, endpoints, env, jobs, predict, report, server, train, tune, tuning
from tintype.cli import run as run_command
from tintype.cli.invocation import command
from tintype.errors import JobFailed, TintypeError

INTERRUPTED = 130           # what a shell expects after Ctrl-C
TERMINATED = 143            # ... and after SIGTERM

app = typer.Typer(
    name="tintype",
    help="A folder of images in; a tuned, judged and served image classifier out.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
app.add_typer(data.app, name="data")
app.add_typer(jobs.app, name="jobs")
app.add_typer(tuning.app, name="tuning")
app.add_typer(endpoints.app, name="endpoints")
for name, function in (
    ("run", run_command.run),
    ("train", train.train),
    ("tune", tune.tune),
    ("debug", debug.debug),
    ("report", report.report),
    ("deploy", deploy.deploy),
    ("predict", predict.predict),
    ("server", server.server),
    ("env", env.env),
):
    command(app, name)(function)


@app.callback(invoke_without_command=True)
def tintype(version: bool = typer.Option(False, "--version", help="Print the version.")) -> None:
    """A folder of images in; a tuned, judged and served image classifier out."""
    if version:
        typer.echo(f"tintype {__version__}")
        raise typer.Exit


class Terminated(KeyboardInterrupt):
    """SIGTERM: whatever tidies up after Ctrl-C does so now too."""


def _terminate(*_: object) -> None:
    raise Terminated


def run() -> None:
    """The entry point. Exit code 0 for success, 1 for a failed job, 2 for wrong use or bad input."""
    debug = "--debug" in sys.argv[1:]
    signal.signal(signal.SIGTERM, _terminate)
    try:
        app()
    except TintypeError as error:
        if debug:
            traceback.print_exc()
        if isinstance(error, JobFailed):
            for line in error.log_tail:
                print(f"  {line}", file=sys.stderr)
        print(f"tintype: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except Terminated:
        print("tintype: terminated", file=sys.stderr)
        sys.exit(TERMINATED)
    except KeyboardInterrupt:
        print("tintype: interrupted", file=sys.stderr)
        sys.exit(INTERRUPTED)
    except BrokenPipeError:
        sys.exit(0)             # the reader of our output, `head` perhaps, has seen enough
    except Exception as error:
        if debug:
            traceback.print_exc()
        what = f"{type(error).__name__}: {error}"
        print(f"tintype: this should not have happened: {what} (--debug shows where)", file=sys.stderr)
        sys.exit(1)
