"""The machine of a node as its profile records it: what the job may use of it, and what could not be measured."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, final

from tintype.storage import write_json

CGROUP = Path("/sys/fs/cgroup")
UNLIMITED = 1 << 60                     # cgroup version 1 spells "no limit" as a number near 2^63


@final
@dataclass(frozen=True)
class Gpu:
    """One device, by the driver's index."""

    name: str
    memory_bytes: int


@final
@dataclass(frozen=True)
class Machine:
    """Facts that hold for a whole job."""

    node: str = "algo-1"
    cores: int = 1                      # of the machine
    usable_cores: float = 1.0           # after affinity and the cgroup's quota; may be a fraction
    memory_bytes: int = 0               # of the machine
    memory_limit_bytes: int = 0         # of the cgroup, or the machine's memory
    gpus: tuple[Gpu, ...] = ()
    gpu_note: str = ""                  # why there are no numbers of GPUs; "" when there are
    interval_seconds: float = 0.5       # between two samples
    instance_type: str = ""             # "ml.m5.large", where the job was told one
    started_at: float = 0.0             # of the job's process, seconds since the epoch; 0: not known

    def save(self, root: Path) -> None:
        """Write it into the profile below `root`. Raises `StorageFailed`."""
        write_json(root / machine_path(self.node), asdict(self), durable=False)


def machine_path(node: str) -> str:
    """The file with the facts of a node, relative to the root of the profile."""
    return f"tintype/machine-{node}.json"


def read_machines(root: Path) -> dict[str, Machine]:
    """The machines of a profile by node; none for profiles that SageMaker wrote."""
    found: dict[str, Machine] = {}
    for path in sorted((root / "tintype").glob("machine-*.json")):
        machine = _read_machine(path)
        if machine is not None:
            found[machine.node] = machine
    return found


def _read_machine(path: Path) -> Machine | None:
    try:
        document: dict[str, Any] = json.loads(path.read_bytes())
        return Machine(**{**document, "gpus": tuple(Gpu(**one) for one in document.get("gpus", ()))})
    except (OSError, ValueError, TypeError):        # a damaged file is as good as none: all of it can be done without
        return None


def observe_machine(node: str, process_id: int, cgroup: Path = CGROUP, process: Path = Path("/proc")) -> Machine:
    """The machine as the job's process sees it. GPUs are added by the sampler."""
    memory = _meminfo(process / "meminfo").get("MemTotal", 0)
    cores = os.cpu_count() or 1
    try:
        allowed = len(os.sched_getaffinity(process_id))
    except OSError:                                 # the process has ended already
        allowed = cores
    folder = cgroup_of(process_id, cgroup, process)
    quota = cpu_quota(folder) or float(cores)
    machine = Machine(node, cores, min(float(allowed), quota), memory, memory)
    limit = memory_limit(folder)
    return replace(machine, memory_limit_bytes=min(memory, limit)) if limit else machine


def cgroup_of(process_id: int, cgroup: Path = CGROUP, process: Path = Path("/proc")) -> Path:
    """The folder of the process's cgroup (version 2), or the root of all when it cannot be seen, as in a container."""
    try:
        text = (process / str(process_id) / "cgroup").read_text()
    except OSError:
        return cgroup
    paths = [line.split(":", 2)[2].lstrip("/") for line in text.splitlines() if line.startswith("0::")]
    inside = cgroup / paths[0] if paths else cgroup
    return inside if (inside / "cgroup.procs").exists() else cgroup


def cpu_quota(folder: Path) -> float | None:
    """Cores that the cgroup's quota amounts to; None without one. Reads versions 2 and 1."""
    words = (_text(folder / "cpu.max") or "").split()
    if len(words) == 2 and words[0] != "max":
        return int(words[0]) / int(words[1])
    quota = _text(folder / "cpu" / "cpu.cfs_quota_us")
    period = _text(folder / "cpu" / "cpu.cfs_period_us")
    return int(quota) / int(period) if quota and period and int(quota) > 0 else None


def memory_limit(folder: Path) -> int | None:
    """The cgroup's limit in bytes; None without one. Reads versions 2 and 1."""
    word = _text(folder / "memory.max") or _text(folder / "memory" / "memory.limit_in_bytes")
    return int(word) if word and word != "max" and int(word) < UNLIMITED else None


def memory_in_use(folder: Path) -> int | None:
    """Bytes that the cgroup has in use without the page cache that can be dropped; None without the file."""
    word = _text(folder / "memory.current") or _text(folder / "memory" / "memory.usage_in_bytes")
    if not word:
        return None
    statistics = _text(folder / "memory.stat") or _text(folder / "memory" / "memory.stat") or ""
    pairs = dict(line.split()[:2] for line in statistics.splitlines() if len(line.split()) >= 2)
    return max(0, int(word) - int(pairs.get("inactive_file", pairs.get("total_inactive_file", 0))))


def _text(path: Path) -> str | None:
    try:
        return path.read_text().strip()
    except OSError:
        return None


def _meminfo(path: Path) -> dict[str, int]:
    """Lines such as `MemTotal: 24 kB` in bytes."""
    lines = (_text(path) or "").splitlines()
    return {line.split(":")[0]: 1024 * int(line.split()[1]) for line in lines if len(line.split()) >= 2}
