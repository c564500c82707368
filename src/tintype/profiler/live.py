"""What a job that runs does just now: the newest samples and steps of its profile, and what limits it at present.

Only files of the last minutes are read, so that a look costs the same on the first day of a job and on its last.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, final

import numpy as np

from tintype.profiler.limiter import diagnose
from tintype.profiler.phases import StepMode
from tintype.profiler.readers import JobProfile, Table
from tintype.profiler.span_reader import of_mode
from tintype.profiler.system_metrics import (
    CPU_UTILIZATION,
    GPU_MEMORY,
    GPU_UTILIZATION,
    MEMORY_USED,
    PROCESS_CPU,
    PROCESS_MEMORY,
)

RECENT_SECONDS = 60.0                   # what "just now" is for steps and the limiter
SAMPLES = 6                             # whose mean is "just now" for the machine
MIB = 1024**2


@final
@dataclass(frozen=True)
class Live:
    """One look. None: there is nothing to tell it from."""

    cpu_percent: float | None           # of the machine
    job_cpu_percent: float | None       # of one core
    memory_percent: float | None
    job_memory_mib: float | None
    gpu_percent: float | None           # mean over the GPUs
    gpu_memory_percent: float | None
    steps: int | None                   # training steps so far
    step_seconds: float | None          # median of the last minute
    data_wait_percent: float | None     # of the steps of the last minute
    limiter: str | None
    evidence: str
    change: str                         # what to do about the limiter

    def to_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return asdict(self)


def look_live(root: Path, now: float) -> Live | None:
    """What the profile at `root` says of the last minute; None while there is none. `now`: seconds since the epoch."""
    if not root.is_dir():
        return None
    profile = JobProfile(root, since=now - RECENT_SECONDS)
    train = of_mode(profile.spans().steps, StepMode.TRAIN)
    system = profile.system()
    if not system and not len(train):
        return None
    node = system.nodes[0] if system.nodes else ""
    recent = train[train["start"] >= now - RECENT_SECONDS]
    recent = recent if len(recent) else train[-1:]
    found = diagnose(profile)
    whole = float(recent["duration"].sum()) if len(recent) else 0.0
    return Live(
        _now(system.table(CPU_UTILIZATION, node)),
        _now(system.table(PROCESS_CPU, node)),
        _now(system.table("", node, MEMORY_USED)),
        _scaled(_now(system.table(PROCESS_MEMORY, node)), MIB),
        _now(system.table(GPU_UTILIZATION, node)),
        _now(system.table(GPU_MEMORY, node)),
        int(train["number"].max()) + 1 if len(train) else None,
        float(np.median(recent["duration"])) if len(recent) else None,
        100 * float(np.nansum(recent["data_wait"])) / whole if whole > 0 else None,
        found.limiter.limiter.value if found else None,
        found.limiter.evidence if found else "",
        found.limiter.change if found else "",
    )


def _now(table: Table) -> float | None:
    means = table.mean()[-SAMPLES:] if table else []
    return float(np.mean(means)) if len(means) else None


def _scaled(value: float | None, unit: float) -> float | None:
    return None if value is None else value / unit
