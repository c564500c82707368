"""The machine of a node as its profile records it: what the job may use of it, and what could not be measured."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, final

from tintype.cgroup import CGROUP, PROCESSES, cgroup_of, cpu_quota, memory_limit, text_of
from tintype.storage import write_json


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


def observe_machine(node: str, process_id: int, cgroup: Path = CGROUP, processes: Path = PROCESSES) -> Machine:
    """The machine as the job's process sees it. GPUs are added by the sampler."""
    memory = _meminfo(processes / "meminfo").get("MemTotal", 0)
    cores = os.cpu_count() or 1
    try:
        allowed = len(os.sched_getaffinity(process_id))
    except OSError:                                 # the process has ended already
        allowed = cores
    folder = cgroup_of(process_id, cgroup, processes)
    quota = cpu_quota(folder) or float(cores)
    machine = Machine(node, cores, min(float(allowed), quota), memory, memory)
    limit = memory_limit(folder)
    return replace(machine, memory_limit_bytes=min(memory, limit)) if limit else machine


def _meminfo(path: Path) -> dict[str, int]:
    """Lines such as `MemTotal: 24 kB` in bytes."""
    lines = (text_of(path) or "").splitlines()
    return {line.split(":")[0]: 1024 * int(line.split()[1]) for line in lines if len(line.split()) >= 2}
