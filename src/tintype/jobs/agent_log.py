"""What the engine's own processes have to say, on standard error, which is `<home>/run/agent.log`."""

from __future__ import annotations

import contextlib
import os

STANDARD_ERROR = 2


def murmur(text: str) -> None:
    """Say a line, or several. On a full disk it stays unsaid: what the process does goes on."""
    with contextlib.suppress(OSError):
        os.write(STANDARD_ERROR, f"{text.rstrip()}\n".encode(errors="backslashreplace"))
