"""What the training did at some moments, in the terms of SageMaker's Details (OverallFrameworkMetrics and others)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tintype.profiler.phases import MODES, PHASES, STEP_PREFIX
from tintype.profiler.readers import JobProfile

LEAST_PERCENT = 2.0                     # operators below it are left out, and the others scaled to 100
FORWARD_BACKWARD = ("Forward-SubModuleInternal", "Backward-SubModuleInternal")
OF_PHASES = {"data_wait": "DataLoaderIter", "forward": "Forward", "backward": "Backward(post-forward)"}


def correlate(job: JobProfile, moments: Sequence[float]) -> dict[str, Any]:
    """Durations by phase of everything that was going on at `moments` (seconds since the epoch)."""
    found, at = job.spans(), np.sort(np.asarray(moments, float))
    return aggregate(job, _overlapping(found.steps, at), _overlapping(found.spans, at))


def aggregate(job: JobProfile, steps: NDArray[Any], spans: NDArray[Any]) -> dict[str, Any]:
    """SageMaker's ratio, CPU, GPU, phase, general, forward_backward and horovod of some steps and spans."""
    phases: dict[str, float] = defaultdict(float)
    for mode in np.unique(steps["mode"]):
        phases[f"{STEP_PREFIX}{MODES[mode].value}"] = float(steps["duration"][steps["mode"] == mode].sum())
    groups: dict[str, dict[str, float]] = {name: defaultdict(float) for name in GROUPS}
    for phase in PHASES:
        if (seconds := float(np.nansum(steps[phase.value]))) > 0:
            groups["general"][OF_PHASES.get(phase.value, phase.value)] += seconds
    for span in _by_name(spans):
        name, phase, seconds = job.spans().names[span[0]], job.spans().names[span[1]], span[2]
        group = _group(phase)
        groups[group][phase if group == "general" else name] += seconds
    ratio = {name: sum(members.values()) for name, members in groups.items() if name in RATIOS and members}
    return {
        "ratio": _percent({RATIOS[name]: seconds for name, seconds in ratio.items()}),
        "phase": _percent(phases),
        "phase_time": dict(phases),
        **_operators("CPU", groups["CPU"]), **_operators("GPU", groups["GPU"]),
        "general": _percent(groups["general"]),
        "forward_backward": _percent(groups["forward_backward"]),
        "horovod": _percent(groups["horovod"], LEAST_PERCENT),
    }  # fmt: skip


def operators_of_windows(job: JobProfile) -> dict[str, Any]:
    """CPU, GPU and their totals of the operators that torch.profiler recorded of some steps; {} without any."""
    found: dict[str, Any] = {}
    for device in ("CPU", "GPU"):
        seconds: dict[str, float] = defaultdict(float)
        for window in job.operators:
            for one in window.operators:
                if one.device == device:
                    seconds[one.name] += one.self_us / 1e6
        found |= _operators(device, seconds)
    return found


GROUPS = ("CPU", "GPU", "forward_backward", "horovod", "general")
RATIOS = {"CPU": "cpu_functions", "GPU": "gpu_functions"}


def _group(phase: str) -> str:
    if phase in FORWARD_BACKWARD:
        return "forward_backward"
    if phase == "":
        return "horovod"
    return "CPU" if "cpu" in phase else "GPU" if "gpu" in phase else "general"


def _by_name(spans: NDArray[Any]) -> list[tuple[int, int, float]]:
    keys = spans["name"].astype(np.int64) << 32 | spans["phase"]
    kinds, which = np.unique(keys, return_inverse=True)
    sums = np.bincount(which, spans["duration"], len(kinds)) if len(kinds) else []
    return [(int(key >> 32), int(key & 0xFFFFFFFF), float(seconds)) for key, seconds in zip(kinds, sums, strict=True)]


def _operators(name: str, seconds: dict[str, float]) -> dict[str, dict[str, float]]:
    shares = _percent(seconds)
    kept = {one: seconds[one] for one, share in shares.items() if share >= LEAST_PERCENT}
    if not kept:
        return {}
    return {name: _percent(kept), f"{name}_total": {one: int(time * 1e6) for one, time in kept.items()}}


def _percent(seconds: dict[str, float], least: float = 0.0) -> dict[str, float]:
    whole = sum(seconds.values())
    shares = {name: 100 * one / whole for name, one in seconds.items()} if whole > 0 else {}
    return {name: share for name, share in shares.items() if share > least}


def _overlapping(rows: NDArray[Any], moments: NDArray[np.float64]) -> NDArray[Any]:
    firsts = np.searchsorted(moments, rows["start"])
    return rows[firsts < np.searchsorted(moments, rows["start"] + rows["duration"], side="right")]
