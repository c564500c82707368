"""docs/commands.md names every command and every option that there is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import typer.main

from tintype.cli.main import app

DOCS = (Path(__file__).parents[2] / "docs" / "commands.md").read_text()


def commands() -> list[tuple[str, list[str]]]:
    """("tuning list", ["--home", ...]) of every command."""
    found = []
    group = typer.main.get_command(app)
    for name, command in group.commands.items():     # pyright: ignore[reportAttributeAccessIssue]
        inner = getattr(command, "commands", None)
        for words, one in {f"{name} {sub}": one for sub, one in inner.items()}.items() if inner else [(name, command)]:
            options = [word for one in one.params for word in (*one.opts, *one.secondary_opts) if word.startswith("--")]
            found.append((words, options))
    return found


@pytest.mark.parametrize(("name", "options"), commands(), ids=lambda value: value if isinstance(value, str) else "")
def test_every_command_and_option_is_documented(name: str, options: list[str]) -> None:
    group, _, rest = name.partition(" ")
    assert f"tintype {group}" in DOCS
    assert rest in DOCS
    assert [one for one in options if one != "--help" and not re.search(rf"{one}\b", DOCS)] == []
