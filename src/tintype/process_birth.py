"""When a process was started, by no clock: in ticks since the machine was booted, and which boot that was.

Pids are used again; with these two beside it, a pid means one process for all time. A clock that is set, by hand or by
NTP, moves what the kernel gives as the time of the boot, and every start time that is counted from the epoch with it.
"""

from __future__ import annotations

from pathlib import Path

import psutil

DEAD_STATES = {"Z", "X", "x"}           # a zombie does nothing any more
STAT_STATE, STAT_START = 0, 19          # fields 3 and 22 of /proc/<pid>/stat, behind the name in brackets; see proc(5)
TICKS_PER_SECOND = 100                  # of the start times where there is no /proc


def started_at(pid: int) -> int | None:
    """When a process of this machine started, in ticks; None when there is none, or only its zombie."""
    try:
        line = Path(f"/proc/{pid}/stat").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return None if Path("/proc/self").exists() else _started_at_elsewhere(pid)
    fields = line[line.rindex(b")") + 2 :].split()
    return None if fields[STAT_STATE].decode() in DEAD_STATES else int(fields[STAT_START])


def boot_id() -> str:
    """Changes when the machine is restarted; "" where it cannot be known."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return "" if Path("/proc/self").exists() else str(int(psutil.boot_time()))


def _started_at_elsewhere(pid: int) -> int | None:
    try:
        return int(psutil.Process(pid).create_time() * TICKS_PER_SECOND)
    except psutil.Error:
        return None
