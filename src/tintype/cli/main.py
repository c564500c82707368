"""`tintype`: the command table, and how errors become one readable line."""

from __future__ import annotations

import signal
import sys
import traceback
from collections.abc import Collection
from importlib import import_module

import typer

from tintype import __version__
from tintype.cli.invocation import command
from tintype.cli.terminal import plain
from tintype.errors import JobFailed, TintypeError

INTERRUPTED = 130           # what a shell expects after Ctrl-C
TERMINATED = 143            # ... and after SIGTERM

# In the order of the help. Each is a module of this folder, with a function of its name or, for a group, an `app`.
GROUPS = ("data", "jobs", "tuning", "endpoints")
COMMANDS = ("run", "train", "tune", "debug", "report", "deploy", "predict", "server", "env")


def app_with(names: Collection[str]) -> typer.Typer:
    """The command line with these commands and groups. Each costs its imports, up to a second."""
    app = typer.Typer(
        name="tintype",
        help="A folder of images in; a tuned, judged and served image classifier out.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        add_completion=False,
    )
    app.callback(invoke_without_command=True)(tintype)
    for name in (*GROUPS, *COMMANDS):
        if name in names:
            module = import_module(f"tintype.cli.{name}")
            if name in GROUPS:
                app.add_typer(module.app, name=name)
            else:
                command(app, name)(getattr(module, name))
    return app


def __getattr__(name: str) -> typer.Typer:
    """`app` is the whole command line, made when somebody asks for it."""
    if name != "app":
        raise AttributeError(name)
    return app_with((*GROUPS, *COMMANDS))


def asked_for(arguments: Collection[str]) -> tuple[str, ...]:
    """The command or group that the arguments name, where it can be known at once; else all, to help and to suggest."""
    first = next(iter(arguments), "")
    return (first,) if first in (*GROUPS, *COMMANDS) else (*GROUPS, *COMMANDS)


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
        app_with(asked_for(sys.argv[1:]))()
    except TintypeError as error:
        if debug:
            traceback.print_exc()
        if isinstance(error, JobFailed):
            for line in error.log_tail:
                print(f"  {line}", file=sys.stderr)
        print(f"tintype: {plain(str(error))}", file=sys.stderr)
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
