"""`tintype`: the command table, and how errors become one readable line.

What takes its time to import is imported by functions, so that Ctrl-C is one line by then.
"""

from __future__ import annotations

import errno
import io
import os
import signal
import sys
import traceback
from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any, NoReturn

from tintype.cli.plain_text import plain
from tintype.errors import InvalidRequest, JobFailed, TintypeError

if TYPE_CHECKING:
    import typer

WRONG_USE = 2
INTERRUPTED = 130           # what a shell expects after Ctrl-C
TERMINATED = 143            # ... and after SIGTERM

OF_COMMANDS = ("--home", "--json", "--debug")

# What is wrong with a path that somebody gave.
OF_PATHS = {
    errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.EACCES, errno.EPERM, errno.ENAMETOOLONG, errno.ELOOP, errno.EROFS,
}  # fmt: skip

# In the order of the help. Each is a module of this folder, with a function of its name or, for a group, an `app`.
GROUPS = ("data", "jobs", "tuning", "endpoints")
COMMANDS = ("run", "train", "tune", "debug", "report", "deploy", "predict", "server", "env")


def app_with(names: Sequence[str]) -> typer.Typer:
    """The command line with these commands and groups. Each costs its imports, up to a second."""
    import typer

    from tintype.cli.invocation import command
    from tintype.cli.version import WHAT_IT_IS, tintype

    app = typer.Typer(
        name="tintype",
        help=WHAT_IT_IS,
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


def asked_for(arguments: Sequence[str]) -> tuple[str, ...]:
    """The command or group that the arguments name, where it can be known at once; else all, to help and to suggest."""
    first = next(iter(arguments), "")
    return (first,) if first in (*GROUPS, *COMMANDS) else (*GROUPS, *COMMANDS)


class Terminated(KeyboardInterrupt):
    """SIGTERM: whatever tidies up after Ctrl-C does so now too."""


def _terminate(*_: object) -> None:
    raise Terminated


def run() -> None:
    """The entry point. Exit code 0 for success, 1 for a failed job, 2 for wrong use or bad input."""
    signal.signal(signal.SIGTERM, _terminate)
    take_any_text()
    debug = "--debug" in sys.argv[1:]
    try:
        code = answer(sys.argv[1:])
        sys.stdout.flush()
    except BaseException as error:
        if debug and isinstance(error, Exception):
            traceback.print_exc()
        code, lines = outcome_of(error)
        for line in lines:
            print(line, file=sys.stderr)
    leave(code)


def take_any_text() -> None:
    """Let the output take names as the disk has them, in a terminal of any encoding, and be closed."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w"))           # noqa: SIM115 (to the end)
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def answer(words: Sequence[str]) -> int:
    """Do what the words of a command line ask for, and return the exit code. Not by calling the app, which would make
    codes of its own of Ctrl-C, SIGTERM and a pipe that nobody reads any more.
    """
    import typer.main

    if words and words[0].partition("=")[0] in OF_COMMANDS:
        raise InvalidRequest(f"{words[0]} goes after the command, as in `tintype jobs list {words[0]}`")
    whole = typer.main.get_command(app_with(asked_for(words)))
    if elsewhere := groups_with(whole, words):
        meant = ", ".join(f"`tintype {group} {words[0]}`" for group in elsewhere)
        raise InvalidRequest(f"there is no command {words[0]!r}; did you mean {meant}?")
    try:
        with whole.make_context("tintype", list(words)) as context:
            whole.invoke(context)
    except typer.Exit as ended:
        return ended.exit_code
    return 0


def groups_with(whole: Any, words: Sequence[str]) -> list[str]:
    """The groups that have the command which was looked for outside of them."""
    if not words or words[0] in whole.commands:
        return []
    return [group for group in GROUPS if group in whole.commands and words[0] in whole.commands[group].commands]


def outcome_of(error: BaseException) -> tuple[int, list[str]]:
    """The exit code that an error means, and what is said of it."""
    if (said := getattr(error, "format_message", None)) is not None:        # typer's usage errors have no public name
        context = getattr(error, "ctx", None)
        return WRONG_USE, wrong_use(hyperparameter_meant(error, context) or said(), context)
    match error:
        case SystemExit() if isinstance(error.__context__, BrokenPipeError):
            return 0, []            # rich's way to say it, where it shows the help
        case SystemExit():
            return error.code if isinstance(error.code, int) else 1, []
        case JobFailed():
            return error.exit_code, [*(f"  {line}" for line in error.log_tail), f"tintype: {plain(str(error))}"]
        case TintypeError():
            return error.exit_code, [f"tintype: {plain(str(error))}"]
        case Terminated():
            return TERMINATED, ["tintype: terminated"]
        case KeyboardInterrupt():
            return INTERRUPTED, ["tintype: interrupted"]
        case BrokenPipeError():
            return 0, []            # the reader of our output, `head` perhaps, has seen enough
        case OSError():
            where = f"{error.filename}: " if error.filename else ""
            code = WRONG_USE if where and error.errno in OF_PATHS else 1
            return code, [f"tintype: {plain(f'{where}{error.strerror or error}')} (--debug shows where)"]
        case _:
            what = plain(f"{type(error).__name__}: {error}")
            return 1, [f"tintype: this should not have happened: {what} (--debug shows where)"]


def hyperparameter_meant(error: BaseException, context: typer.Context | None) -> str:
    """How it is typed, where a hyperparameter that has no option was typed as one; else nothing."""
    option, known = getattr(error, "option_name", ""), context.command.params if context is not None else []
    if not option or not any(one.name == "parameter" for one in known):
        return ""
    from tintype.training.hyperparameters import find

    try:
        name = find(option.lstrip("-")).name
    except InvalidRequest:
        return ""
    has_option = any(f"--{name}" in one.opts for one in known)
    return "" if has_option else f"{option} is a hyperparameter, which -p {name}=VALUE sets"


def wrong_use(said: str, context: typer.Context | None) -> list[str]:
    """What typer says of a command line that is none, in one line; nothing where it has shown the help instead."""
    words = " ".join(said.replace(": Value error, ", ": ").split()).rstrip(".")
    hint = f"; `{context.command_path} --help` shows how it goes" if context is not None else ""
    return [plain(f"tintype: {words[0].lower()}{words[1:]}{hint}")] if words else []


def leave(code: int) -> NoReturn:
    """End with this exit code, also where nobody takes what is still to be written. Ctrl-C ends it at once now."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    sys.exit(code)
