"""Paths, as far as others ask for them."""

from __future__ import annotations

import os
import re


def is_s3(path: str) -> tuple[bool, str | None, str | None]:
    """Whether a path is in S3; its bucket; its key."""
    found = re.match(r"s3://([^/]+)/(.*)", path.strip())
    return (True, found[1], found[2]) if found else (False, None, None)


def get_path_to_collections(directory: str) -> str:
    """The folder of the collections files of a log."""
    return os.path.join(directory, "collections", "000000000")


def get_path_to_events_directory(path: str) -> str:
    """The folder of the event files of a log."""
    return os.path.join(path, "events")


def ensure_dir(file_path: str, is_file: bool = True) -> None:
    """Make the folder of a file, or a folder."""
    os.makedirs(os.path.dirname(file_path) if is_file else file_path, exist_ok=True)


def remove_file_if_exists(file_path: str) -> None:
    """Remove a file, if it is there."""
    if os.path.exists(file_path):
        os.remove(file_path)
