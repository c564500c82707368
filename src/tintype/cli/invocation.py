"""What every command shares: --home, --json, --debug, and where to print."""

from __future__ import annotations

import functools
import inspect
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import Annotated, Any, final, get_type_hints

import typer
from rich.console import Console

from tintype.cli.terminal import console
from tintype.errors import InvalidRequest
from tintype.settings import Settings
from tintype.workspace import Workspace, open_workspace

PANEL = "Everywhere"
KEYWORD = inspect.Parameter.KEYWORD_ONLY


def home_folder(text: str) -> Path:
    """The folder that --home names. `InvalidRequest` for none, which would be wherever one happens to be."""
    if not text:
        raise InvalidRequest("--home is empty; give a folder, or leave it out for ~/.tintype")
    return Path(text)


HomeOption = Annotated[
    Path | None,
    typer.Option(
        "--home",
        metavar="DIR",
        help="Where Tintype keeps everything.",
        envvar="TINTYPE_HOME",
        parser=home_folder,
        rich_help_panel=PANEL,
    ),
]
JsonOption = Annotated[
    bool, typer.Option("--json", help="Print one JSON object on standard output.", rich_help_panel=PANEL)
]
DebugOption = Annotated[
    bool, typer.Option("--debug", help="Show the traceback of an error.", rich_help_panel=PANEL)
]
SHARED: dict[str, tuple[Any, Any]] = {
    "home": (HomeOption, None),
    "as_json": (JsonOption, False),
    "debug": (DebugOption, False),      # acted on by main.run, which sees it before any command does
}


@final
@dataclass(frozen=True)
class Invocation:
    """One call of the command line. With `json` the last thing on standard output is one JSON object."""

    settings: Settings
    json: bool
    console: Console            # for people: standard output, or standard error when standard output is JSON

    @contextmanager
    def workspace(self) -> Iterator[Workspace]:
        """The workspace of --home, opened."""
        with open_workspace(self.settings) as workspace:
            yield workspace

    def answer(self, document: dict[str, Any]) -> None:
        """Print the JSON object when --json was given."""
        if self.json:
            typer.echo(json.dumps(document, ensure_ascii=False, indent=1, default=str))

    def say(self, text: object = "") -> None:
        """A line for people."""
        self.console.print(text, highlight=False)


def command(app: typer.Typer, name: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Register a function whose first parameter is the `Invocation`; the shared options are added to the others.

    A parameter that is a dataclass of options stands for all of them, in the order of its fields.
    """

    def register(function: Callable[..., None]) -> Callable[..., None]:
        hints = get_type_hints(function, include_extras=True)
        own = [one.replace(annotation=hints[one.name]) for one in _parameters(function)[1:]]
        groups: dict[str, type[Any]] = {
            one.name: one.annotation
            for one in own
            if isinstance(one.annotation, type) and is_dataclass(one.annotation)
        }

        @functools.wraps(function)
        def call(*, home: Path | None, as_json: bool, debug: bool, **values: Any) -> None:
            settings = Settings.from_environment(os.environ, home)
            for key, kind in groups.items():
                values[key] = kind(**{one.name: values.pop(one.name) for one in fields(kind)})
            function(Invocation(settings, as_json, console(stderr=as_json)), **values)

        options = [option for one in own for option in (_options(one.annotation) if one.name in groups else [one])]
        parameters = [one.replace(kind=KEYWORD) for one in options] + [
            inspect.Parameter(key, KEYWORD, default=default, annotation=kind)
            for key, (kind, default) in SHARED.items()
        ]
        call.__annotations__ = {one.name: one.annotation for one in parameters}
        call.__dict__["__signature__"] = inspect.Signature(parameters)
        return app.command(name)(call)

    return register


def _parameters(function: Callable[..., Any]) -> list[inspect.Parameter]:
    return list(inspect.signature(function).parameters.values())


def _options(group: type) -> list[inspect.Parameter]:
    """The fields of a dataclass of options, as parameters."""
    hints = get_type_hints(group, include_extras=True)
    return [one.replace(annotation=hints[one.name]) for one in _parameters(group)]
