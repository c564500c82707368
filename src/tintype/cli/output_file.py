"""Files that a person wants written: looked at before any work is done for them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import typer

from tintype.errors import InvalidRequest
from tintype.storage import is_url, local_path, refuse_unwritable


def output_file(text: str) -> Path:
    """The path that an option names. Raises `InvalidRequest` when no file can be written there."""
    if is_url(text):
        raise InvalidRequest(f"{text} is not on this machine; give a file here, and copy it there afterwards")
    path = Path(os.path.expanduser(text))
    refuse_unwritable(path)
    return path


def output_place(text: str) -> str:
    """A folder or a URL that artifacts are copied to. Raises `InvalidRequest` for a folder that takes none."""
    folder = local_path(text) if text else None
    if folder is not None:
        refuse_unwritable(folder / "model.tar.gz")
    return text


def output_option(name: str, help: str) -> Any:
    """An option of the command line that names a file to be written."""
    return typer.Option(name, metavar="FILE", help=help, parser=output_file)
