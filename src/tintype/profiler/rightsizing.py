"""Which machine would do a job as fast for less, and what a larger one would gain: from what the job really used.

Memory: the peak, and a fifth of it to spare. Processors: where they were full, a machine with fewer would be slower and
one with more is faster, by Amdahl's law over the share of the loop that is work of processors; where they were not, as
many as the busiest twentieth of the samples used are enough. GPUs: only those that were used are needed, of the same
kind. Cores of different families are taken for equally fast, which is right within some 20 %.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np

from tintype.profiler.breakdown import COMPUTING, Activity, break_down
from tintype.profiler.instance_table import InstanceType
from tintype.profiler.readers import JobProfile
from tintype.profiler.system_metrics import (
    CPU_UTILIZATION,
    GPU_MEMORY,
    GPU_UTILIZATION,
    MEMORY_USED,
    MEMORY_USED_BYTES,
    PROCESS_CPU,
    PROCESS_MEMORY,
)

GIB = 1 << 30
MEMORY_TO_SPARE = 1.2
FULL_CPU = 85.0                         # per cent of the usable cores, median: then they are what is short
CORES_TO_SPARE = 1.15
LITTLE_MEMORY = 25.0                    # per cent: below it, memory is bought and not used
MUCH_OF_OTHERS = 25.0                   # per cent of the processors
USED_GPU = 5.0                          # per cent, 95th percentile; below it a GPU was bought and not used
WORTH_IT = 0.97                         # of the price: less than three per cent is not worth a change


@final
@dataclass(frozen=True)
class Use:
    """What a job used of one machine."""

    cores: int                          # of the machine, or as many as the job may use
    cpu_median: float                   # per cent of these
    cpu_p95: float
    memory_gib: float                   # of the machine, 0 where nothing tells
    memory_peak_gib: float              # of the job; 0 where nothing tells
    memory_peak_percent: float
    gpus: int
    gpus_used: int
    gpu_memory_percent: float           # peak, of the fullest
    seconds: float
    others_percent: float = 0.0         # of the machine's processors that other programs used, median

    @property
    def is_cpu_full(self) -> bool:
        """Whether processors are what is short."""
        return self.cpu_median >= FULL_CPU

    @property
    def cores_needed(self) -> float:
        """Cores with which the job would be as fast."""
        return float(self.cores) if self.is_cpu_full else self.cores * self.cpu_p95 / 100 * CORES_TO_SPARE


@final
@dataclass(frozen=True)
class Choice:
    """The job on another machine. `speed` is relative to now, `dollars` for this job."""

    instance: InstanceType
    speed: float
    dollars: float
    reason: str


@final
@dataclass(frozen=True)
class RightSizing:
    """The machine that the job ran on, or the one most like it, and what else to take."""

    use: Use
    current: InstanceType
    is_guess: bool                      # the job did not run on an instance type; `current` is the most like it
    dollars: float
    cheaper: Choice | None              # as fast, for less
    faster: Choice | None               # the next larger one, where that helps
    advice: tuple[str, ...]


def measure_use(profile: JobProfile, node: str | None = None) -> Use | None:
    """What the job used of a node (the first), or None without system metrics."""
    system, extent = profile.system(), profile.extent
    if not system or extent is None:
        return None
    node = node or system.nodes[0]
    machine = profile.machines.get(node)
    cpu = system.table(CPU_UTILIZATION, node)
    if not cpu:
        return None
    cores = machine.usable_cores if machine else float(len(cpu.names))
    times = break_down(profile)
    first, last = (times.loop_start, times.loop_end) if times and times.loop > 2 else extent
    inside = (cpu.times >= first) & (cpu.times <= last)
    used = np.nansum(cpu.values[inside] if inside.any() else cpu.values, axis=1)       # per cent of one core
    own, others = system.table(PROCESS_CPU, node), 0.0
    if own and cores < len(cpu.names):                      # a part of a machine: only what the job itself used
        used = own.values.ravel()
    elif own and machine:                                   # a machine that may have been shared with others
        others = float(np.nanmedian(used)) - float(np.nanmedian(own.values))
    percent = np.minimum(100.0, used / cores)
    gpu, gpu_memory = system.table(GPU_UTILIZATION, node), system.table(GPU_MEMORY, node)
    busy = sum(float(np.nanpercentile(column, 95)) >= USED_GPU for column in gpu.values.T) if gpu else 0
    return Use(
        max(1, math.ceil(cores)), float(np.median(percent)), float(np.percentile(percent, 95)),
        (machine.memory_limit_bytes if machine else 0) / GIB, *_memory(profile, node),
        len(gpu.names), busy, float(np.nanmax(gpu_memory.values)) if gpu_memory else 0.0, extent[1] - extent[0],
        max(0.0, others / cores),
    )  # fmt: skip


def _memory(profile: JobProfile, node: str) -> tuple[float, float]:
    """(peak of the job in GiB, peak in per cent of what it may use)."""
    system, machine = profile.system(), profile.machines.get(node)
    percent, own = system.table("", node, MEMORY_USED), system.table(PROCESS_MEMORY, node)
    whole = system.table(MEMORY_USED_BYTES, node)
    highest = float(np.nanmax(percent.values)) if percent else 0.0
    peak = float(np.nanmax((own or whole).values)) / GIB if own or whole else 0.0
    if own and machine and machine.memory_limit_bytes:
        highest = 100 * peak * GIB / machine.memory_limit_bytes
    return peak, min(100.0, highest)


def right_size(profile: JobProfile, instances: Sequence[InstanceType]) -> RightSizing | None:
    """What to run the job on, or None when there are no system metrics to tell."""
    use = measure_use(profile)
    if use is None or not instances:
        return None
    asked = next((one.instance_type for one in profile.machines.values() if one.instance_type), "")
    known = {one.name: one for one in instances}
    current = known.get(asked) or _most_like(use, instances)
    dollars = current.dollars_per_hour * use.seconds / 3600
    if use.others_percent > MUCH_OF_OTHERS:
        words = (
            f"Other programs used {use.others_percent:.0f} % of the processors: what this job needs of a machine that "
            "it has for itself, this run cannot tell."
        )
        return RightSizing(use, current, asked not in known, dollars, None, None, (words,))
    sharing = _processor_share(profile)
    enough = [one for one in instances if _is_enough(one, use, current)]
    cheapest = min(enough, key=lambda one: (one.dollars_per_hour, one.vcpus), default=None)
    cheaper = faster = None
    if cheapest and cheapest.dollars_per_hour < WORTH_IT * current.dollars_per_hour:
        cheaper = Choice(cheapest, 1.0, cheapest.dollars_per_hour * use.seconds / 3600, _reason(use, current, cheapest))
    larger = [one for one in instances if one.vcpus >= 1.5 * current.vcpus and one.gpus == current.gpus]
    fitting = [one for one in larger if one.memory_gib >= _memory_needed(use, current)]
    if use.is_cpu_full and fitting:
        next_one = min(fitting, key=lambda one: (one.vcpus, one.dollars_per_hour))
        speed = 1 / (sharing * current.vcpus / next_one.vcpus + 1 - sharing)
        cost = next_one.dollars_per_hour * use.seconds / speed / 3600
        words = f"processors are full; with {next_one.vcpus} of them at most {speed:.1f} times as fast"
        faster = Choice(next_one, speed, cost, words)
    return RightSizing(use, current, asked not in known, dollars, cheaper, faster, _advice(use, cheaper))


def _most_like(use: Use, instances: Sequence[InstanceType]) -> InstanceType:
    """The smallest with as many cores and GPUs and as much memory (a virtual machine's is a little less than sold)."""
    large = [
        one for one in instances
        if one.vcpus >= use.cores and one.gpus >= use.gpus and one.memory_gib >= 0.9 * use.memory_gib
    ]  # fmt: skip
    return min(large, key=lambda one: one.dollars_per_hour, default=max(instances, key=lambda one: one.vcpus))


def _memory_needed(use: Use, current: InstanceType) -> float:
    peak = use.memory_peak_gib or use.memory_peak_percent / 100 * (use.memory_gib or current.memory_gib)
    return peak * MEMORY_TO_SPARE


def _is_enough(one: InstanceType, use: Use, current: InstanceType) -> bool:
    """Whether the job would be as fast on it."""
    cores = current.vcpus if use.is_cpu_full else min(use.cores_needed, current.vcpus)
    same_gpu = not use.gpus_used or not current.gpu or one.gpu == current.gpu
    enough = one.vcpus >= cores and one.memory_gib >= _memory_needed(use, current)
    return enough and one.gpus >= use.gpus_used and same_gpu


def _processor_share(profile: JobProfile) -> float:
    """The share of the loop that is work of processors, 0..1; 1 when nothing tells."""
    times = break_down(profile)
    if times is None or not times.has_phases or times.loop <= 0:
        return 1.0
    return min(1.0, times.share(*COMPUTING, Activity.DATA_WAIT, Activity.IN_STEP, Activity.EVALUATION))


def _reason(use: Use, current: InstanceType, other: InstanceType) -> str:
    said = []
    if use.is_cpu_full:
        said.append(f"processors are full (median {use.cpu_median:.0f} %), and it has {other.vcpus} as now")
    elif other.vcpus < current.vcpus:
        said.append(f"{use.cores_needed:.1f} cores are enough (p95 of their use is {use.cpu_p95:.0f} % of {use.cores})")
    if other.memory_gib < current.memory_gib:
        said.append(f"memory was never above {use.memory_peak_percent:.0f} %: {other.memory_gib:g} GiB are enough")
    if other.gpus < current.gpus:
        said.append(f"{use.gpus_used} of {current.gpus} GPUs were used")
    return "; ".join(said)


def _advice(use: Use, cheaper: Choice | None) -> tuple[str, ...]:
    said = []
    if use.is_cpu_full and use.memory_peak_percent < LITTLE_MEMORY:
        said.append(
            f"Processors are full ({use.cpu_median:.0f} %) while memory is nearly empty (at most "
            f"{use.memory_peak_percent:.0f} %): take a machine with less memory for each core."
        )
    if use.gpus and not use.gpus_used:
        said.append("No GPU was used: take a machine without one, or move the network and the batches to it.")
    if not cheaper:
        said.append("No machine of the table would do this job as fast for less.")
    return tuple(said)
