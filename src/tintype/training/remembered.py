"""Small facts that take long to find out and never change: kept on the disk, shared by all jobs.

    <folder>/<what>/<key>.json

A trial runs in a process of its own; without this each would measure the same images' colours again, and build a whole
network to learn how its head begins. Everything here may be deleted at any time.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, final

from tintype.errors import NotFound, StorageFailed
from tintype.storage import read_json, write_json


@final
class Remembered:
    """The facts below one directory."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def find(self, what: str, key: Mapping[str, Any]) -> Any | None:
        """The JSON value known for `key`, which must hold everything that it depends on; None when it is not known."""
        try:
            return read_json(self._path(what, key))
        except (NotFound, StorageFailed):           # not there, or half of it after a power cut
            return None

    def keep(self, what: str, key: Mapping[str, Any], fact: Any) -> None:
        """Remember a fact. Raises `StorageFailed` when the disk is full."""
        write_json(self._path(what, key), fact, durable=False)

    def take(self, what: str, key: Mapping[str, Any], find_out: Callable[[], Any]) -> Any:
        """What is known for `key`, found out now when nothing is."""
        fact = self.find(what, key)
        if fact is None:
            fact = find_out()
            self.keep(what, key, fact)
        return fact

    def _path(self, what: str, key: Mapping[str, Any]) -> Path:
        content = json.dumps(key, sort_keys=True, default=str)
        return self._directory / what / f"{hashlib.sha256(content.encode()).hexdigest()}.json"
