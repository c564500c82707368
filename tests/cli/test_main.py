from __future__ import annotations

import subprocess
import sys

import pytest
import typer.main

from tintype.cli.main import COMMANDS, GROUPS, app, app_with, asked_for


@pytest.mark.parametrize(
    ("arguments", "loaded"),
    [
        (["tune", "photos"], ("tune",)), (["jobs", "list"], ("jobs",)), ([], (*GROUPS, *COMMANDS)),
        (["--help"], (*GROUPS, *COMMANDS)), (["tun"], (*GROUPS, *COMMANDS)),
        (["--version", "jobs"], (*GROUPS, *COMMANDS)),
    ],
)  # fmt: skip
def test_a_command_loads_no_other(arguments: list[str], loaded: tuple[str, ...]) -> None:
    assert asked_for(arguments) == loaded


def test_the_whole_command_line_has_every_command() -> None:
    whole, one = typer.main.get_command(app), typer.main.get_command(app_with(["tune"]))
    assert list(whole.commands) == [*COMMANDS, *GROUPS]     # pyright: ignore[reportAttributeAccessIssue]
    assert list(one.commands) == ["tune"]                   # pyright: ignore[reportAttributeAccessIssue]


def test_a_word_that_is_nearly_a_command() -> None:
    ran = subprocess.run([sys.executable, "-m", "tintype", "tunign"], capture_output=True, text=True, check=False)
    assert ran.returncode == 2
    assert "tuning" in ran.stderr
