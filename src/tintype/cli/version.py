"""`tintype --version`, and what the program is in one line."""

from __future__ import annotations

import typer

from tintype import __version__

WHAT_IT_IS = "A folder of images in; a tuned, judged and served image classifier out."


def tintype(version: bool = typer.Option(False, "--version", help="Print the version.")) -> None:
    """A folder of images in; a tuned, judged and served image classifier out."""
    if version:
        typer.echo(f"tintype {__version__}")
        raise typer.Exit
