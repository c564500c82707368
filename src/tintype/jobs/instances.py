"""Instance types and what they are worth on this machine: cores, memory and GPUs.

An instance type is a wish: `ml.g4dn.xlarge` on a machine with two cores and no GPU gets two cores and no GPU, with a
note. Numbers that were given themselves (cores, memory, GPUs) are a demand: when the machine can never meet them, the
job is refused. Source of the numbers: the SageMaker pricing page's table of ML instances.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import final

import psutil

from tintype.errors import InvalidRequest
from tintype.jobs.specification import Resources

GIB = 1024**3
LOCAL = ("", "local", "local_gpu")          # the whole machine
VISIBLE_GPUS = "CUDA_VISIBLE_DEVICES"
PATTERN = re.compile(r"ml\.(?P<family>[a-z0-9-]+)\.(?P<size>[a-z0-9]+)")

# size -> cores, where a family does not say otherwise
SIZES: Mapping[str, int] = {
    "medium": 2, "large": 2, "xlarge": 4, "2xlarge": 8, "3xlarge": 12, "4xlarge": 16, "6xlarge": 24, "8xlarge": 32,
    "9xlarge": 36, "10xlarge": 40, "12xlarge": 48, "16xlarge": 64, "18xlarge": 72, "24xlarge": 96, "32xlarge": 128,
    "48xlarge": 192,
}  # fmt: skip

# family of CPU instances -> GiB of memory for each core
CPU_FAMILIES: Mapping[str, float] = {
    "t2": 4, "t3": 4, "m4": 4, "m5": 4, "m5d": 4, "m5n": 4, "m6i": 4, "m6g": 4, "m6id": 4, "m7i": 4, "m7g": 4, "m8g": 4,
    "c4": 1.875, "c5": 2, "c5d": 2, "c5n": 2.625, "c6i": 2, "c6g": 2, "c6id": 2, "c7i": 2, "c7g": 2, "c8g": 2,
    "r5": 8, "r5d": 8, "r6i": 8, "r6g": 8, "r7i": 8, "r7g": 8, "r8g": 8,
}  # fmt: skip

# instance type -> (cores, GiB of memory, GPUs), for all that are no plain multiple
OTHERS: Mapping[str, tuple[int, float, int]] = {
    "ml.t2.medium": (2, 4, 0), "ml.t3.medium": (2, 4, 0),
    "ml.p2.xlarge": (4, 61, 1), "ml.p2.8xlarge": (32, 488, 8), "ml.p2.16xlarge": (64, 732, 16),
    "ml.p3.2xlarge": (8, 61, 1), "ml.p3.8xlarge": (32, 244, 4), "ml.p3.16xlarge": (64, 488, 8),
    "ml.p3dn.24xlarge": (96, 768, 8),
    "ml.p4d.24xlarge": (96, 1152, 8), "ml.p4de.24xlarge": (96, 1152, 8),
    "ml.p5.4xlarge": (16, 256, 1), "ml.p5.48xlarge": (192, 2048, 8), "ml.p5e.48xlarge": (192, 2048, 8),
    "ml.p5en.48xlarge": (192, 2048, 8), "ml.p6-b200.48xlarge": (192, 2048, 8),
    "ml.g4dn.xlarge": (4, 16, 1), "ml.g4dn.2xlarge": (8, 32, 1), "ml.g4dn.4xlarge": (16, 64, 1),
    "ml.g4dn.8xlarge": (32, 128, 1), "ml.g4dn.12xlarge": (48, 192, 4), "ml.g4dn.16xlarge": (64, 256, 1),
    "ml.g5.xlarge": (4, 16, 1), "ml.g5.2xlarge": (8, 32, 1), "ml.g5.4xlarge": (16, 64, 1),
    "ml.g5.8xlarge": (32, 128, 1), "ml.g5.12xlarge": (48, 192, 4), "ml.g5.16xlarge": (64, 256, 1),
    "ml.g5.24xlarge": (96, 384, 4), "ml.g5.48xlarge": (192, 768, 8),
    "ml.g6.xlarge": (4, 16, 1), "ml.g6.2xlarge": (8, 32, 1), "ml.g6.4xlarge": (16, 64, 1),
    "ml.g6.8xlarge": (32, 128, 1), "ml.g6.12xlarge": (48, 192, 4), "ml.g6.16xlarge": (64, 256, 1),
    "ml.g6.24xlarge": (96, 384, 4), "ml.g6.48xlarge": (192, 768, 8),
    "ml.g6e.xlarge": (4, 32, 1), "ml.g6e.2xlarge": (8, 64, 1), "ml.g6e.4xlarge": (16, 128, 1),
    "ml.g6e.8xlarge": (32, 256, 1), "ml.g6e.12xlarge": (48, 384, 4), "ml.g6e.16xlarge": (64, 512, 1),
    "ml.g6e.24xlarge": (96, 768, 4), "ml.g6e.48xlarge": (192, 1536, 8),
}  # fmt: skip


@final
@dataclass(frozen=True)
class Machine:
    """What there is to share: whole cores, bytes of memory, GPUs."""

    cores: int
    memory_bytes: int
    gpus: int = 0

    @classmethod
    def here(cls) -> Machine:
        """This machine, as far as this process may use it. GPUs are NVIDIA's, counted without loading a driver."""
        gpus = visible_gpus(nvidia_gpus(), os.environ.get(VISIBLE_GPUS))
        return cls(len(psutil.Process().cpu_affinity()), psutil.virtual_memory().total, len(gpus))


@final
@dataclass(frozen=True)
class Share:
    """What each host of a job gets."""

    cores: int
    memory_bytes: int                   # 0: no claim, as an instance type is about cores and GPUs
    gpus: int
    notes: tuple[str, ...] = ()         # where it is less than the instance type promises


def instance(name: str) -> Machine:
    """What the instance type `name` has on AWS. `InvalidRequest` when that is no instance type."""
    if name in OTHERS:
        cores, gib, gpus = OTHERS[name]
        return Machine(cores, int(gib * GIB), gpus)
    found = PATTERN.fullmatch(name)
    if found is None or found["size"] not in SIZES:
        raise InvalidRequest(
            f"{name!r} is no instance type; they look like ml.m5.xlarge or ml.g4dn.xlarge, or leave it out"
        )
    cores = SIZES[found["size"]]
    # A family that came after this table: its first letter still says whether it has GPUs (g5, p4d, inf2, trn1).
    gpus = 1 if found["family"] not in CPU_FAMILIES and found["family"][0] in "gp" else 0
    return Machine(cores, int(CPU_FAMILIES.get(found["family"], 4) * cores * GIB), gpus)


def is_cpu_only(name: str) -> bool:
    """The instance type has no GPU, so a job on it must not see those of this machine."""
    return name not in LOCAL and instance(name).gpus == 0


def share(wanted: Resources, machine: Machine) -> Share:
    """What each of the job's hosts gets of `machine`, all of them at once.

    Raises `InvalidRequest` when numbers that were asked for can never be had here.
    """
    hosts = wanted.instance_count
    if hosts < 1:
        raise InvalidRequest(f"instance_count is {hosts}; a job runs on at least one")
    _refuse_the_impossible(wanted, machine)
    promised = machine if wanted.instance_type in LOCAL else instance(wanted.instance_type)
    got = Machine(
        wanted.cores or max(1, min(promised.cores, machine.cores // hosts)),
        wanted.memory_bytes,
        wanted.gpus if wanted.gpus is not None else min(promised.gpus, machine.gpus // hosts),
    )
    return Share(got.cores, got.memory_bytes, got.gpus, _notes(wanted, promised, got))


def _refuse_the_impossible(wanted: Resources, machine: Machine) -> None:
    for what, asked, there in (
        ("cores", wanted.cores, machine.cores),
        ("bytes of memory", wanted.memory_bytes, machine.memory_bytes),
        ("GPUs", wanted.gpus or 0, machine.gpus),
    ):
        if asked < 0:
            raise InvalidRequest(f"{asked} {what} cannot be asked for")
        if asked * wanted.instance_count > there:
            times = f"{wanted.instance_count} x " if wanted.instance_count > 1 else ""
            raise InvalidRequest(
                f"the job asks for {times}{asked:,} {what}, and this machine has {there:,}; ask for less"
            )


def _notes(wanted: Resources, promised: Machine, got: Machine) -> tuple[str, ...]:
    if wanted.instance_type in LOCAL:
        return ()
    less = [
        f"{here} of {there} {what}"
        for what, there, here, asked in (
            ("cores", promised.cores, got.cores, wanted.cores),
            ("GPUs", promised.gpus, got.gpus, wanted.gpus),
        )
        if here < there and not asked
    ]
    return (f"{wanted.instance_type} is {' and '.join(less)} on this machine",) if less else ()


def nvidia_gpus(devices: Path = Path("/dev")) -> int:
    """How many GPUs this process may open, by their device files: loading the driver takes a second."""
    numbered = [path for path in devices.glob("nvidia*") if path.name.removeprefix("nvidia").isdigit()]
    return len(numbered) or int((devices / "dxg").exists())         # Windows' own Linux has one door for all


def visible_gpus(there: int, named: str | None) -> tuple[str, ...]:
    """The GPUs of a machine that has so many, as CUDA names them, when `CUDA_VISIBLE_DEVICES` is `named` (None: unset).

    As CUDA reads it, the list ends before the first entry that is no GPU. What is not a number (GPU-8f1a..., MIG-...)
    is taken at its word.
    """
    if named is None:
        return tuple(map(str, range(there)))
    found: list[str] = []
    for entry in map(str.strip, named.split(",")):
        if not entry or entry in found or (entry.lstrip("-").isdigit() and not 0 <= int(entry) < there):
            break
        found.append(entry)
    return tuple(found[:there])
