"""A downloaded archive may name its files as it likes; a terminal must not obey them."""

from __future__ import annotations

import io

import pytest
from rich.table import Table

from tintype.cli.display import Display
from tintype.cli.plain_text import plain
from tintype.cli.terminal import PlainConsole

HOSTILE = "\x1b[2J\x1b]0;owned\x07ants\x9b31m\r.jpg"


def drawn(*, terminal: bool) -> tuple[PlainConsole, io.StringIO]:
    stream = io.StringIO()
    return PlainConsole(file=stream, force_terminal=terminal, width=80, color_system="standard"), stream


@pytest.mark.parametrize("terminal", [True, False])
def test_names_are_text(terminal: bool) -> None:
    console, stream = drawn(terminal=terminal)
    table = Table(box=None)
    table.add_column("file")
    table.add_row(HOSTILE)
    console.print(table, highlight=False)
    console.print(HOSTILE, markup=False, highlight=False)
    text = stream.getvalue()
    assert "]0;owned" in text
    assert "\x1b[2J" not in text
    assert not {"\x07", "\x9b", "\r"} & set(text)
    assert plain("a\tb\nc ü\x1b") == "a\tb\nc ü�"


def test_our_own_colours_and_a_scripts_are_kept() -> None:
    console, stream = drawn(terminal=True)
    console.print("[red]bad[/]", highlight=False)
    Display(console).line("\x1b[32mgood\x1b[0m \x1b[2Jgone")
    assert stream.getvalue() == "\x1b[31mbad\x1b[0m\n\x1b[32mgood\x1b[0m gone\n"
    console, stream = drawn(terminal=False)
    Display(console).line("\x1b[32mgood\x1b[0m  50%\r 100%")
    assert "\x1b" not in stream.getvalue()
    assert "100%" in stream.getvalue()
