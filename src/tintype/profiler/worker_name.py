"""The name of a process that trains, as its files carry it: `{rank}-{host}`, which no two of a job may share.

A script may start others that inherit its environment: ranks of its own, loaders, tools. So a name is claimed when the
first span is to be written, by a lock that the kernel drops when its holder ends, however it does.
"""

from __future__ import annotations

import fcntl
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import IO

from tintype.profiler.span_files import FRAMEWORK
from tintype.storage import storage_errors

CLAIMS = ".claims"                      # below framework/
MOST_WORKERS = 1024
_held: list[IO[bytes]] = []             # for as long as this process lives


def claim_worker(root: Path, environ: Mapping[str, str]) -> str:
    """A name for this process that no other has. Raises `StorageFailed`."""
    host, rank = environ.get("CURRENT_HOST") or "algo-1", _rank(environ)
    if rank is not None:
        name = f"{rank}-{host}"
        return name if _claim(root, name) else f"{name}-{os.getpid()}"
    for number in range(MOST_WORKERS):
        if _claim(root, f"{number}-{host}"):
            return f"{number}-{host}"
    return f"{os.getpid()}-{host}"


def _rank(environ: Mapping[str, str]) -> int | None:
    distributed = sys.modules.get("torch.distributed")
    if distributed is not None and distributed.is_available() and distributed.is_initialized():
        return int(distributed.get_rank())
    given = environ.get("RANK", "")
    return int(given) if given.isdecimal() else None


def _claim(root: Path, name: str) -> bool:
    path = root / FRAMEWORK / CLAIMS / name
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        stream = path.open("ab")
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        stream.close()
        return False
    _held.append(stream)
    return True
