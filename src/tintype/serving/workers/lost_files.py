"""Unpacked files that somebody has removed, such as a cleaner of /tmp: no process can be started from them any more."""

from __future__ import annotations

import logging
import os
import signal
from pathlib import Path

log = logging.getLogger("tintype.serving")


def end_front_if_gone(path: Path) -> None:
    """End this front in good order when `path` is gone: its supervisor starts another, which unpacks the files anew."""
    if not path.exists():
        log.error("%s is gone, so no process can be started from it; the front is started again", path)
        os.kill(os.getpid(), signal.SIGTERM)
