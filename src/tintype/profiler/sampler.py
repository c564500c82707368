"""Samples of the machine and of a job's processes, taken from outside of them at fixed moments."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple, final

from tintype.cgroup import CGROUP, cgroup_of, memory_in_use, quota_folder
from tintype.errors import InvalidRequest, StorageFailed
from tintype.profiler.gpus import Gpus
from tintype.profiler.machine import observe_machine
from tintype.profiler.proc import CoreTimes, DiskCounters, Proc
from tintype.profiler.process_tree import ProcessTree, TreeUse
from tintype.profiler.run_queue import RunQueue
from tintype.profiler.system_metrics import (
    ALGORITHM,
    CPU_THROTTLED,
    CPU_UTILIZATION,
    DISK_BUSY,
    IO_WAIT,
    IOPS,
    MEMORY_USED,
    MEMORY_USED_BYTES,
    PLATFORM,
    PROCESS_CPU,
    PROCESS_MEMORY,
    PROCESS_RUNNABLE,
    PROCESS_THREADS,
    READ_BYTES,
    RECEIVED_BYTES,
    RUNNABLE_TASKS,
    SENT_BYTES,
    TOTAL_CPU,
    WRITE_BYTES,
    Kind,
    Series,
)  # fmt: skip
from tintype.profiler.system_reader import last_timestamp
from tintype.profiler.system_writer import SystemMetricsWriter

SHORTEST_INTERVAL, LONGEST_INTERVAL = 0.1, 60.0     # seconds, SageMaker's
FRESHNESS = 0.02                        # seconds between two readings below which rates would be noise

Say = Callable[[str], None]


@final
class Reading(NamedTuple):
    """The counters at one moment; two of them make a sample."""

    at: float                           # seconds, of a clock that never goes back
    cores: Mapping[str, CoreTimes]
    running: int                        # tasks of the machine that run or wait for a core
    disks: Mapping[str, DiskCounters]
    job_network: tuple[int, int]
    machine_network: tuple[int, int]
    tree: TreeUse
    wanting: float                      # threads of the job that want a core, in the mean since the last; NaN: unknown
    throttled: tuple[int, int]          # periods of the cgroup: held back, all


@final
@dataclass(frozen=True)
class Clocks:
    """Time as the sampler needs it: the calendar's, one that never goes back, and a way to wait."""

    calendar: Callable[[], float]       # seconds since the epoch
    steady: Callable[[], float]
    sleep: Callable[[float], object]    # True: the training is over, as somebody said meanwhile


class Sampler:
    """Samples one node for as long as a process lives."""

    def __init__(self, root: Path, process_id: int, node: str, interval: float, gpus: Gpus, clocks: Clocks) -> None:
        if not SHORTEST_INTERVAL <= interval <= LONGEST_INTERVAL:
            raise InvalidRequest(
                f"the interval between samples must be from {SHORTEST_INTERVAL} to {LONGEST_INTERVAL} s, got {interval}"
            )
        self._proc = Proc()
        self._tree = ProcessTree(self._proc, process_id)
        self._queue = RunQueue(self._proc)
        self._node, self._interval, self._gpus, self._clocks = node, interval, gpus, clocks
        self._process_id = process_id
        self._cgroup = cgroup_of(process_id, CGROUP)
        self._quota = quota_folder(self._cgroup)
        observed = observe_machine(node, process_id)
        begun = self._proc.started_at(process_id)
        self.machine = replace(
            observed, gpus=gpus.devices, gpu_note=gpus.note, interval_seconds=interval, started_at=begun
        )
        self._root = root
        self._writer = SystemMetricsWriter(root, node)
        self._reading: Reading | None = None
        self.lost = 0                   # samples that could not be written

    def run(self, say: Say) -> None:
        """Sample until the process is gone or its end is told, then write the end marker.

        `say` gets what a person should know.
        Samples are due at fixed moments of a clock that never goes back; moments that passed meanwhile are left out.
        A full disk loses samples, not the sampler.
        """
        if self._gpus.note:
            say(self._gpus.note)
        self._write(lambda: self.machine.save(self._root), say)
        # After a restart, or a clock put back: never before what is written already.
        newest = last_timestamp(self._root, self._node)
        first, zero = max(self._clocks.calendar(), newest + self._interval), self._clocks.steady()
        due = 0
        while self._tree.is_alive:
            now = self._clocks.steady() - zero
            sample = self.sample()
            if sample:
                self._write(lambda sample=sample, at=first + now: self._writer.write(at, sample), say)
            due = max(due + 1, int((self._clocks.steady() - zero) / self._interval) + 1)
            if self._clocks.sleep(max(0.0, zero + due * self._interval - self._clocks.steady())):
                break
        self._write(self._writer.end, say)

    def _write(self, action: Callable[[], None], say: Say) -> None:
        try:
            action()
        except StorageFailed as error:
            if self.lost == 0:
                say(f"{error}; samples are lost until then")
            self.lost += 1

    def sample(self) -> dict[Series, float]:
        """All readings, as rates since the last call; {} at the first one."""
        before, now = self._reading, self._read()
        self._reading = now
        if before is None or now.at - before.at < FRESHNESS:
            return {}
        return {**self._cpu(before, now), **self._memory(now), **self._traffic(before, now), **self._gpu()}

    def _read(self) -> Reading:
        proc = self._proc
        cores, running = proc.core_times()
        try:
            job_network = proc.network(self._process_id)
        except OSError:                             # it has just ended
            job_network = self._reading.job_network if self._reading else (0, 0)
        disks, network, tree = proc.disks(), proc.network(), self._tree.look()
        at = self._clocks.steady()
        wanting = self._queue.look(at, self._tree.members)
        return Reading(at, cores, running, disks, job_network, network, tree, wanting, self._throttling())

    def _cpu(self, before: Reading, now: Reading) -> dict[Series, float]:
        found: dict[Series, float] = {}
        for core, times in now.cores.items():
            earlier = before.cores.get(core)
            passed = times.all - earlier.all if earlier else 0
            if earlier is None or passed <= 0:      # a core that was switched on or off meanwhile
                continue
            busy = _percent(times.busy - earlier.busy, passed)
            if core == "cpu":
                found[self._series(Kind.CPU, "total", TOTAL_CPU)] = busy
            else:
                found[self._series(Kind.CPU, core, CPU_UTILIZATION)] = busy
                found[self._series(Kind.CPU, core, IO_WAIT)] = _percent(times.io_wait - earlier.io_wait, passed)
        used = 100 * (now.tree.cpu_seconds - before.tree.cpu_seconds) / (now.at - before.at)
        found[self._series(Kind.CPU, "job", PROCESS_CPU)] = round(used, 2)
        found[self._series(Kind.CPU, "job", PROCESS_THREADS)] = now.tree.threads
        found[self._series(Kind.CPU, "total", RUNNABLE_TASKS)] = now.running
        if math.isfinite(now.wanting):
            found[self._series(Kind.CPU, "job", PROCESS_RUNNABLE)] = round(now.wanting, 2)
        if now.throttled[1] > before.throttled[1]:
            held = _percent(now.throttled[0] - before.throttled[0], now.throttled[1] - before.throttled[1])
            found[self._series(Kind.CPU, "job", CPU_THROTTLED)] = held
        return found

    def _memory(self, now: Reading) -> dict[Series, float]:
        used, total = self._proc.memory()
        limit = self.machine.memory_limit_bytes
        if limit < total:
            used, total = memory_in_use(self._cgroup) or now.tree.resident_bytes, limit
        return {
            self._series(Kind.MEMORY, MEMORY_USED, ""): _percent(used, total),
            self._series(Kind.MEMORY, "machine", MEMORY_USED_BYTES): used,
            self._series(Kind.MEMORY, "job", PROCESS_MEMORY): now.tree.resident_bytes,
        }

    def _traffic(self, before: Reading, now: Reading) -> dict[Series, float]:
        passed = now.at - before.at
        pairs = [(disk, before.disks[name]) for name, disk in now.disks.items() if name in before.disks]
        busy = max((disk.busy_milliseconds - earlier.busy_milliseconds for disk, earlier in pairs), default=0)
        written = [(a.bytes_written, b.bytes_written) for a, b in pairs]
        found = {
            self._series(Kind.IO, IOPS, ""): _rate([(a.operations, b.operations) for a, b in pairs], passed),
            self._series(Kind.IO, READ_BYTES, ""): _rate([(a.bytes_read, b.bytes_read) for a, b in pairs], passed),
            self._series(Kind.IO, WRITE_BYTES, ""): _rate(written, passed),
            self._series(Kind.IO, "busiest", DISK_BUSY): min(100.0, round(busy / (10 * passed), 2)),
        }
        for dimension, (received, sent), (received_before, sent_before) in (
            (ALGORITHM, now.job_network, before.job_network),
            (PLATFORM, now.machine_network, before.machine_network),
        ):
            rate = _rate([(received, received_before)], passed)
            found[self._series(Kind.NETWORK, RECEIVED_BYTES, dimension)] = rate
            found[self._series(Kind.NETWORK, SENT_BYTES, dimension)] = _rate([(sent, sent_before)], passed)
        return found

    def _gpu(self) -> dict[Series, float]:
        return {
            self._series(Kind.GPU, f"gpu{index}", dimension): round(value, 2)
            for index, readings in self._gpus.read()
            for dimension, value in readings.items()
        }

    def _throttling(self) -> tuple[int, int]:
        for name in ("cpu.stat", "cpu/cpu.stat"):           # of cgroups version 2, and 1
            try:
                lines = (self._quota / name).read_text().splitlines()
            except OSError:
                continue
            pairs = dict(line.split() for line in lines if len(line.split()) == 2)
            if "nr_periods" in pairs:                       # not at the root of all groups
                return int(pairs.get("nr_throttled", 0)), int(pairs["nr_periods"])
        return 0, 0

    def _series(self, kind: Kind, name: str, dimension: str) -> Series:
        return Series(kind, name, dimension, self._node)


def _percent(part: float, whole: float) -> float:
    return round(min(100.0, max(0.0, 100 * part / whole)), 2) if whole else 0.0


def _rate(pairs: list[tuple[int, int]], passed: float) -> float:
    return round(sum(max(0, now - before) for now, before in pairs) / passed, 1)
