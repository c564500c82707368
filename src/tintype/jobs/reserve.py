"""A little of the disk kept back, `<home>/run/reserve`, so that a job that fills the disk can be recorded as failed.

The agent makes it; whoever cannot record the end of a job for want of space gives it up and tries again.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

RESERVE_BYTES = 1 << 20


def keep(home: Path) -> None:
    """Make the reserve, if it is not there and there is room for it."""
    path = _path(home)
    if path.exists():
        return
    with contextlib.suppress(OSError):
        try:
            path.write_bytes(os.urandom(RESERVE_BYTES))         # which a file system that compresses keeps as well
        except OSError:
            path.unlink()


def give_up(home: Path) -> bool:
    """Free the space; True when there was any to free."""
    try:
        _path(home).unlink()
        return True
    except OSError:
        return False


def _path(home: Path) -> Path:
    return home / "run" / "reserve"
