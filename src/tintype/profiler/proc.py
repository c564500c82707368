"""The kernel's counters, read straight from /proc: a sample of all of them costs well under a millisecond.

Everything takes the folder as an argument, so that tests and recorded machines of 64 cores are read by the same code.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import NamedTuple, final

PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
SECTOR_BYTES = 512                      # of /proc/diskstats, whatever the disk's own are
WHOLE_DISK = re.compile(r"(?:sd[a-z]+|vd[a-z]+|xvd[a-z]+|hd[a-z]+|nvme\d+n\d+|mmcblk\d+)")
LOOPBACK = "lo"


@final
class CoreTimes(NamedTuple):
    """Ticks since boot of one core, or of all."""

    busy: int
    io_wait: int
    all: int


@final
class DiskCounters(NamedTuple):
    """Since boot, one disk."""

    operations: int
    bytes_read: int
    bytes_written: int
    busy_milliseconds: int


@final
class ProcessCounters(NamedTuple):
    """One process."""

    parent: int
    state: str                          # "R", "S", "Z", ...
    started: int                        # ticks since boot; with the id it names one process for ever
    ticks: int                          # processor time used, user and system
    threads: int
    resident_bytes: int


class Proc:
    """Reads below `root`, which is /proc except in tests."""

    def __init__(self, root: Path = Path("/proc")) -> None:
        self._root = str(root)

    def core_times(self) -> tuple[dict[str, CoreTimes], int]:
        """Times by "cpu" (all), "cpu0", ... and the number of tasks that run or wait for a core."""
        times: dict[str, CoreTimes] = {}
        running = 0
        for line in self._read("stat").split("\n"):
            words = line.split()
            if line.startswith("cpu"):
                user, nice, system, idle, io_wait, irq, soft, steal = map(int, words[1:9])
                busy = user + nice + system + irq + soft + steal
                times[words[0]] = CoreTimes(busy, io_wait, busy + idle + io_wait)
            elif line.startswith("procs_running"):
                running = int(words[1])
        return times, running

    def memory(self) -> tuple[int, int]:
        """(bytes in use, bytes in all) of the machine; what the kernel can give back at once is not in use."""
        found: dict[str, int] = {}
        for line in self._read("meminfo").split("\n")[:6]:
            name, _, rest = line.partition(":")
            if rest:
                found[name] = 1024 * int(rest.split()[0])
        total = found.get("MemTotal", 0)
        return total - found.get("MemAvailable", found.get("MemFree", 0)), total

    def disks(self) -> dict[str, DiskCounters]:
        """Counters of whole disks by name; partitions, loops and RAM disks are left out."""
        found: dict[str, DiskCounters] = {}
        for line in self._read("diskstats").split("\n"):
            words = line.split()
            if len(words) >= 13 and WHOLE_DISK.fullmatch(words[2]):
                reads, _, sectors_read, _, writes, _, sectors_written, _, _, busy = map(int, words[3:13])
                traffic = sectors_read * SECTOR_BYTES, sectors_written * SECTOR_BYTES
                found[words[2]] = DiskCounters(reads + writes, *traffic, busy)
        return found

    def network(self, process_id: int | None = None) -> tuple[int, int]:
        """(bytes received, bytes sent) since boot, by the interfaces that a process sees, or this one; not loopback."""
        received = sent = 0
        for line in self._read(f"{process_id or 'self'}/net/dev").split("\n")[2:]:
            name, _, rest = line.partition(":")
            words = rest.split()
            if len(words) >= 9 and name.strip() != LOOPBACK:
                received += int(words[0])
                sent += int(words[8])
        return received, sent

    def process(self, process_id: int) -> ProcessCounters | None:
        """The counters of a process, or None when there is none."""
        try:
            text = self._read(f"{process_id}/stat")
        except OSError:                             # it ended; so soon that not even its folder could be read, maybe
            return None
        words = text[text.rfind(")") + 2 :].split() # its name may hold blanks and parentheses
        if len(words) < 22:
            return None
        ticks = int(words[11]) + int(words[12])
        resident = int(words[21]) * PAGE_BYTES
        return ProcessCounters(int(words[1]), words[0], int(words[19]), ticks, int(words[17]), resident)

    def children(self, process_id: int) -> list[int]:
        """The processes that the main thread of a process forked; [] where the kernel does not tell."""
        try:
            return [int(one) for one in self._read(f"{process_id}/task/{process_id}/children").split()]
        except (OSError, ValueError):
            return []

    def wanted(self, process_id: int) -> dict[int, int]:
        """Nanoseconds that each thread of a process ran or waited for a core; {} where the kernel does not tell."""
        found: dict[int, int] = {}
        try:
            threads = os.listdir(f"{self._root}/{process_id}/task")
        except OSError:                             # it ended
            return found
        for thread in threads:
            try:
                ran, waited, _ = self._read(f"{process_id}/task/{thread}/schedstat").split()
            except (OSError, ValueError):           # the thread ended, or this kernel does not count
                continue
            found[int(thread)] = int(ran) + int(waited)
        return found

    def started_at(self, process_id: int) -> float:
        """When a process began, in seconds since the epoch; 0.0 when that cannot be told."""
        found = self.process(process_id)
        for line in self._read("stat").splitlines() if found else ():
            if line.startswith("btime "):
                return float(line.split()[1]) + found.started / TICKS_PER_SECOND if found else 0.0
        return 0.0

    def process_ids(self) -> list[int]:
        """Of all processes that can be seen."""
        return [int(name) for name in os.listdir(self._root) if name.isdigit()]

    def _read(self, name: str) -> str:
        descriptor = os.open(f"{self._root}/{name}", os.O_RDONLY | os.O_CLOEXEC)
        try:
            parts = []
            while part := os.read(descriptor, 1 << 16):
                parts.append(part)
            return b"".join(parts).decode(errors="replace")
        finally:
            os.close(descriptor)
