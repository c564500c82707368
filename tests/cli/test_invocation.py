"""Options of a command: its own, those in groups, and those of all commands."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from typer.testing import CliRunner

from tintype.cli.invocation import Invocation, command


@dataclass(frozen=True)
class Light:
    """A group."""

    colour: Annotated[str, typer.Option(help="Of the light.")] = "red"
    lamps: Annotated[list[int] | None, typer.Option()] = None


def shine(
    call: Invocation, *, place: Annotated[str, typer.Argument()], light: Light, seed: Annotated[int, typer.Option()] = 0
) -> None:
    """Shine."""
    call.answer({"place": place, "colour": light.colour, "lamps": light.lamps, "seed": seed})


def shone(tmp_path: Path, *words: str) -> dict[str, object]:
    app = typer.Typer()
    command(app, "shine")(shine)
    done = CliRunner().invoke(app, [*words, "--json", "--home", str(tmp_path)])
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def test_a_group_of_options_comes_as_one_value(tmp_path: Path) -> None:
    assert shone(tmp_path, "here") == {"place": "here", "colour": "red", "lamps": None, "seed": 0}
    words = ("here", "--colour", "blue", "--lamps", "1", "--lamps", "2", "--seed", "3")
    assert shone(tmp_path, *words) == {"place": "here", "colour": "blue", "lamps": [1, 2], "seed": 3}


def test_help_has_them_in_their_order() -> None:
    app = typer.Typer()
    command(app, "shine")(shine)
    text = CliRunner().invoke(app, ["--help"]).output
    places = [text.index(f"--{name} ") for name in ("colour", "lamps", "seed", "home", "json")]
    assert places == sorted(places)
