"""Which server a home has: one at a time, held by a lock that dies with its process, at an address that a file says."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tintype.errors import Conflict, TintypeError
from tintype.storage import lock_if_free, read_json, write_json


def running_url(home: Path) -> str | None:
    """Where the server of a home is, when one runs."""
    with lock_if_free(_lock_file(home)) as is_free:
        return None if is_free else _address(home)


@contextmanager
def only_server(home: Path) -> Iterator[None]:
    """Be the server of a home for the length of the block. Raises `Conflict` when there is one."""
    with lock_if_free(_lock_file(home)) as is_free:
        if not is_free:
            where = _address(home) or "an address that it has not said yet"
            raise Conflict(f"a server of {home} runs already, at {where}; use it, or stop it first")
        try:
            yield
        finally:
            _address_file(home).unlink(missing_ok=True)


def say_where(home: Path, url: str) -> None:
    """Write down the address of this process."""
    write_json(_address_file(home), {"url": url, "pid": os.getpid()}, durable=False)


def _address_file(home: Path) -> Path:
    return home / "server" / "address.json"


def _lock_file(home: Path) -> Path:
    return home / "server" / "server.lock"


def _address(home: Path) -> str | None:
    try:
        return str(read_json(_address_file(home))["url"])
    except (TintypeError, KeyError, TypeError):
        return None
