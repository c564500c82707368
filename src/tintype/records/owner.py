"""A process, told apart from every other one that ever had its pid.

Nothing here asks a clock. A start time is counted in clock ticks since the machine was booted, and a boot has an id, so
neither a clock that jumps nor a restart can make a dead process look alive or a living one dead.
"""

from __future__ import annotations

import os
import socket
from dataclasses import asdict, dataclass
from typing import Any, final

from tintype.process_birth import boot_id, started_at


@final
@dataclass(frozen=True)
class Owner:
    """A process on a machine. Make one with `of`."""

    host: str
    boot_id: str                # changes when the machine is restarted; "" where it cannot be known
    pid_namespace: str          # a pid means something in its namespace only: two containers may share all the rest
    pid: int
    pid_started_at: int         # clock ticks since the boot

    @classmethod
    def of(cls, pid: int | None = None) -> Owner:
        """A process of this machine, this one by default. A process that is not there gets start time 0."""
        pid = os.getpid() if pid is None else pid
        return cls(socket.gethostname(), boot_id(), _pid_namespace(), pid, started_at(pid) or 0)

    def to_json(self) -> dict[str, Any]:
        """As JSON; `from_json` reads it back."""
        return asdict(self)

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> Owner:
        """The owner that `to_json` wrote."""
        return cls(**document)


def is_known_dead(owner: Owner, here: Owner) -> bool:
    """Whether `owner` has certainly ended, seen from the process `here`. False also means "cannot tell"."""
    if owner.host != here.host or not owner.boot_id or not here.boot_id:
        return False
    if owner.boot_id != here.boot_id:
        return True
    return owner.pid_namespace == here.pid_namespace and started_at(owner.pid) != owner.pid_started_at


def _pid_namespace() -> str:
    try:
        return os.readlink("/proc/self/ns/pid")
    except OSError:
        return ""
