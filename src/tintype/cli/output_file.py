"""Files that a person wants written: looked at before any work is done for them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import typer

from tintype.errors import InvalidRequest
from tintype.storage import is_url, refuse_unwritable


def output_file(text: str) -> Path:
    """The path that an option names. Raises `InvalidRequest` when no file can be written there."""
    if is_url(text):
        raise InvalidRequest(f"{text} is not on this machine; give a file here, and copy it there afterwards")
    path = Path(os.path.expanduser(text))
    refuse_unwritable(path)
    return path


def output_option(name: str, help: str) -> Any:
    """An option of the command line that names a file to be written."""
    return typer.Option(name, metavar="FILE", help=help, parser=output_file)
