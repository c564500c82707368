"""What limits a training: the one thing that, taken away, would make it faster; how much at most; and the change.

The bound is Amdahl's: when an activity takes a share s of the loop, taking it away makes the loop 1/(1-s) times as fast
and no faster. Waiting for data is told apart by what was done meanwhile: decoding images, other work of a processor,
waiting for a disk, or none of these.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import final

import numpy as np

from tintype.profiler.breakdown import COMPUTING, Activity, Breakdown, break_down, worker_fetches
from tintype.profiler.readers import JobProfile
from tintype.profiler.system_metrics import CPU_UTILIZATION, DISK_BUSY, GPU_UTILIZATION, IO_WAIT
from tintype.profiler.waiting_inside import turns, waiting_inside


class Limiter(StrEnum):
    """What a training can be limited by."""

    DECODE = "decode"
    PREPARATION = "preparation"             # of samples: work of a processor that is no decoding
    DISK = "disk"
    LOADER_LATENCY = "loader latency"       # neither a processor nor a disk is busy: network, locks, sleep
    TRANSFER = "transfer"
    WAITING = "waiting inside steps"        # for a lock, such as the interpreter's, for sleep, a file, the network
    COMPUTE = "compute"
    LAUNCH = "launch overhead"              # steps so small that the program around them is what takes the time
    EVALUATION = "evaluation"
    CHECKPOINTING = "checkpointing"
    INITIALIZATION = "initialization"
    BETWEEN = "between steps"               # logging, metrics, and whatever else the script does there


LEAST_SHARE = 0.15                      # of the loop: what takes less limits nothing
MOST_OF_A_JOB, LONG_START = 0.5, 20.0   # of the job, and seconds: a start that takes less is only a start
DECODING_SHARE = 0.4                    # of the wait
WORKING_SHARE = 0.5
CROWDED_SHARE, CROWDED = 0.2, 90.0      # the same where other programs want the processors too, from this use on
BUSY_DISK = 50.0                        # per cent
WAITING_CORE = 25.0                     # per cent of one core in I/O wait, in the mean
SMALL_STEP = 0.010                      # seconds; the fixed cost of a step in Python and torch is about a millisecond
TINY_STEP = 0.002                       # seconds; such a step is calls of the framework, whatever they compute
FIXED_SHARE = 0.35                      # of a step: optimiser and the rest, which do not grow with the batch
MOSTLY = 0.5                            # of the computing
OF_OPTIMIZER = "which takes as long for a larger batch, and less when it is fused or has fewer weights to move"
IDLE_GPU = 50.0                         # per cent; below it, a loop that does not wait is one that launches

CHANGES: Mapping[Limiter, str] = {
    Limiter.DECODE: "decode each image once: keep decoded (or smaller) images in a cache, or decode at reduced scale; "
    "then more loader workers, up to the number of cores",
    Limiter.PREPARATION: "give the loader more workers (num_workers), up to the number of cores, and move heavy "
    "transforms to the device or before the training",
    Limiter.DISK: "read from a faster disk or from memory: pack small files into a few large ones, copy the data to a "
    "local disk first, and prefetch",
    Limiter.LOADER_LATENCY: "find what the data set's __getitem__ waits for (network, a lock, sleep); more loader "
    "workers and prefetching hide it",
    Limiter.TRANSFER: "set pin_memory=True and copy with non_blocking=True; send uint8 and normalise on the device",
    Limiter.WAITING: "take out of the step what waits: threads of Python that work beside the training hold the "
    "interpreter's lock (give them a process of their own), and so do sleep, files and the network in the forward pass",
    Limiter.COMPUTE: "the network itself: lower precision (bf16), channels_last, torch.compile, a smaller image or "
    "network, a frozen backbone, or a faster machine",
    Limiter.LAUNCH: "enlarge the batch, so that each step does more; torch.compile or fused optimisers help too",
    Limiter.EVALUATION: "evaluate less often, on a larger batch, or on a part of the set",
    Limiter.CHECKPOINTING: "save less often, in the background, or only the best weights",
    Limiter.INITIALIZATION: "keep the data beside the machine, download weights once, and start workers only once "
    "(persistent_workers=True)",
    Limiter.BETWEEN: "look at what the script does between two steps: logging, .item(), plotting, saving, and reading "
    "its batches, where it has no DataLoader",
}


@final
@dataclass(frozen=True)
class Candidate:
    """One thing that takes time."""

    limiter: Limiter
    seconds: float
    share: float                        # of the loop, 0..1; of the job for the initialization
    evidence: str

    @property
    def bound(self) -> float:
        """How many times as fast it could be without this, at most."""
        return 1 / (1 - min(self.share, 0.999))

    @property
    def limits(self) -> bool:
        """Whether it is worth taking away. Every short job has a start that takes a large share of it."""
        if self.limiter is Limiter.INITIALIZATION:
            return self.share >= MOST_OF_A_JOB and self.seconds >= LONG_START
        return self.limiter is not Limiter.COMPUTE and self.share >= LEAST_SHARE

    @property
    def change(self) -> str:
        """What to do about it."""
        return CHANGES[self.limiter]


@final
@dataclass(frozen=True)
class Diagnosis:
    """What limits a job, the largest first."""

    candidates: tuple[Candidate, ...]

    @property
    def limiter(self) -> Candidate:
        """What limits it: the largest that can be taken away, or the computing that would remain."""
        avoidable = [one for one in self.candidates if one.limits]
        computing = next((one for one in self.candidates if one.limiter is Limiter.COMPUTE), None)
        return avoidable[0] if avoidable else computing or self.candidates[0]


def diagnose(profile: JobProfile) -> Diagnosis | None:
    """What limits the job, or None when no steps with phases were recorded."""
    times = break_down(profile)
    if times is None or not times.has_phases or times.own <= 0:
        return None
    seconds = times.seconds
    waiting = seconds[Activity.DATA_WAIT]
    computing = sum(seconds[one] for one in COMPUTING) + seconds[Activity.IN_STEP]
    blocked, why = waiting_inside(profile, times)
    launch = "" if blocked else _is_launching(profile, times)
    found = [
        (*_wait(profile, times), waiting),
        (Limiter.TRANSFER, "copying batches to the device", seconds[Activity.HOST_TO_DEVICE]),
        (Limiter.LAUNCH if launch else Limiter.COMPUTE, launch or _computing(seconds),
         (1 - blocked) * computing),
        (Limiter.WAITING, why, blocked * computing),
        (Limiter.EVALUATION, "batches that are evaluated, and passes over a whole set", seconds[Activity.EVALUATION]),
        (Limiter.CHECKPOINTING, "spans of saving", seconds[Activity.CHECKPOINT]),
        (Limiter.BETWEEN, "time after a step and before the next", seconds[Activity.BETWEEN]),
    ]
    candidates = [Candidate(limiter, time, time / times.own, words) for limiter, words, time in found if time > 0]
    start = seconds[Activity.INITIALIZATION]
    if start > 0 and times.total > 0:
        words = "from the start of the job to its first step"
        candidates.append(Candidate(Limiter.INITIALIZATION, start, start / times.total, words))
    return Diagnosis(tuple(sorted(candidates, key=lambda one: -one.share)))


def _computing(seconds: Mapping[Activity, float]) -> str:
    """What computes; and that it is mostly the optimizer, where it is."""
    words = "forward, loss, backward and optimizer"
    share = seconds[Activity.OPTIMIZER] / max(1e-9, sum(seconds[one] for one in COMPUTING))
    return f"{words}; {share:.0%} of it is the optimizer, {OF_OPTIMIZER}" if share > MOSTLY else words


def _wait(profile: JobProfile, times: Breakdown) -> tuple[Limiter, str]:
    """Why the loop waited for data."""
    fetches = worker_fetches(profile.spans())
    if len(fetches):
        whole, working = float(fetches["duration"].sum()), float(np.nansum(fetches["cpu"]))
        decoding, who = float(fetches["decode"].sum()), "loader workers"
    else:
        whole, working = times.seconds[Activity.DATA_WAIT], times.waiting_cpu
        decoding, who = times.decoding, "the loop's own process"
    whole = max(whole, 1e-9)
    waiting_its_turn = turns(profile, times)                    # a thread that waits for a core has work
    working = min(whole, working * waiting_its_turn)
    is_guess = waiting_its_turn == 1.0 and _is_crowded(profile, times)
    if decoding > DECODING_SHARE * whole:
        return Limiter.DECODE, f"{who} spent {decoding / whole:.0%} of the fetching in the image decoder"
    if working > (CROWDED_SHARE if is_guess else WORKING_SHARE) * whole:
        return Limiter.PREPARATION, f"{who} used, or waited for, a processor for {working / whole:.0%} of the fetching"
    if disk := _disk(profile, times):
        return Limiter.DISK, disk
    words = f"{who} used, or waited for, a processor for only {working / whole:.0%} of the fetching"
    return Limiter.LOADER_LATENCY, words


def _is_crowded(profile: JobProfile, times: Breakdown) -> bool:
    """Whether the processors are full: a thread that has work then often waits for its turn."""
    system = profile.system()
    for node in system.nodes:
        table = system.table(CPU_UTILIZATION, node)
        inside = (table.times >= times.loop_start) & (table.times <= times.loop_end)
        if table and inside.any() and float(np.nanmedian(table.values[inside])) > CROWDED:
            return True
    return False


def _disk(profile: JobProfile, times: Breakdown) -> str:
    """What says that the disk is what is waited for; "" when nothing does."""
    system = profile.system()
    for node in system.nodes:
        busy = system.table(DISK_BUSY, node)
        inside = (busy.times >= times.loop_start) & (busy.times <= times.loop_end)
        if busy and inside.any() and np.nanmean(busy.values[inside]) > BUSY_DISK:
            return f"the disk was busy for {np.nanmean(busy.values[inside]):.0f} % of the time"
        wait = system.table(IO_WAIT, node)
        inside = (wait.times >= times.loop_start) & (wait.times <= times.loop_end)
        if wait and inside.any() and np.nanmean(np.nansum(wait.values[inside], axis=1)) > WAITING_CORE:
            waited = np.nanmean(np.nansum(wait.values[inside], axis=1))
            return f"a core waited for the disk for {waited:.0f} % of the time"
    return ""


def _is_launching(profile: JobProfile, times: Breakdown) -> str:
    """Why the steps are too small for the machine; "" when they are not."""
    steps = times.train
    working = np.nansum([steps[one] for one in ("forward", "loss", "backward", "optimizer")], axis=0)
    optimizing, busy = np.nan_to_num(steps["optimizer"]), steps["duration"] - np.nan_to_num(steps["data_wait"])
    fixed = optimizing + np.maximum(0, busy - working)
    busy_of_pass = busy / np.maximum(1, steps["passes"])
    what = "pass" if np.median(steps["passes"]) > 1 else "step"
    median, share = float(np.median(busy_of_pass)), float(fixed.sum() / max(1e-9, busy.sum()))
    if 0 < median < TINY_STEP:
        return f"a {what} takes {1000 * median:.1f} ms, about what calling the framework takes"
    if median < SMALL_STEP and share > FIXED_SHARE:
        return f"a {what} takes {1000 * median:.1f} ms, {share:.0%} of it in what does not grow with the batch"
    system = profile.system()
    for node in system.nodes:
        table = system.table(GPU_UTILIZATION, node)
        inside = (table.times >= times.loop_start) & (table.times <= times.loop_end)
        idle = table and inside.any() and np.nanmedian(table.values[inside]) < IDLE_GPU
        if idle and times.share(Activity.DATA_WAIT) < LEAST_SHARE and np.nanmax(table.values) > 0:
            return f"the GPU is busy {np.nanmedian(table.values[inside]):.0f} % of the time although data is there"
    return ""
