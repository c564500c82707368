"""A job that takes more memory than it has claimed: let be while the machine has enough, ended when it has not.

The kernel's own limits (RLIMIT_AS, memory.max) end a job on an idle machine too, where nobody is harmed, and count what
torch only reserves. Without a claim a job is the kernel's affair: its out-of-memory killer is recognised and said.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from pathlib import Path

import psutil

from tintype.jobs.instances import GIB

MIB = 1 << 20
LOOK_SECONDS = 0.5
SHORT_SHARE = 0.05              # the machine is short of memory when less of it is left ...
SHORT_BYTES = 1 * GIB           # ... and less than this


def reason_to_end(claimed: int, taken: int, left: int, total: int) -> str:
    """Why a job that claimed so many bytes must end; nothing when it may go on. Pure."""
    is_short = left < min(SHORT_BYTES, SHORT_SHARE * total)
    if taken <= claimed or not is_short:
        return ""
    return (
        f"it took {_size(taken)} of memory, more than the {_size(claimed)} that it had claimed, and the machine has "
        f"only {_size(left)} left; claim more, or use a smaller batch size or fewer data workers"
    )


def taken_by(pids: Iterable[int], most: int) -> int:
    """The bytes that processes have, what they share counted once. Exact above `most`; below it, at most that."""
    known = list(pids)
    if sum(map(_resident, known)) <= most:      # the cheap look; it counts shared pages again for each process
        return 0
    return sum(map(_proportional, known))


def memory_left() -> tuple[int, int]:
    """(bytes of memory that can still be had, bytes of the machine)."""
    found = psutil.virtual_memory()
    return found.available, found.total


def _size(count: int) -> str:
    return f"{count / GIB:.1f} GiB" if count >= GIB else f"{count / MIB:.0f} MiB"


def _resident(pid: int) -> int:
    with contextlib.suppress(psutil.Error):
        return psutil.Process(pid).memory_info().rss
    return 0


def _proportional(pid: int) -> int:
    with contextlib.suppress(OSError, ValueError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    return _resident(pid)
