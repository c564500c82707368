"""The packages that the platform itself brings to every script, and pip held to them.

They are taken as they are, whatever version a requirements.txt names: the versions that scripts for SageMaker's
containers ask for run on no Python of today.
"""

from __future__ import annotations

import hashlib
import sys
import sysconfig
from collections.abc import Iterator, Mapping, Sequence
from importlib import metadata
from importlib.machinery import PathFinder
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement

from tintype.storage import storage_errors, write_bytes

# distribution -> the module that shows whether it is there (a stand-in for smdebug has no distribution of that name)
PROVIDED: Mapping[str, str] = {
    "torch": "torch", "torchvision": "torchvision", "timm": "timm", "numpy": "numpy", "smdebug": "smdebug",
}  # fmt: skip


def is_provided(distribution: str, search: Sequence[str]) -> bool:
    """One of ours, and found in the folders of `search`. The name is canonical: lower case, hyphens."""
    return distribution in PROVIDED and PathFinder.find_spec(PROVIDED[distribution], search) is not None


def provided_version(distribution: str) -> str:
    """The version that is installed, "" for one without a distribution."""
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return ""


def provided_constraints() -> Iterator[str]:
    """Lines that keep pip from bringing another version of ours by way of something that needs it."""
    for name in PROVIDED:
        if version := provided_version(name):
            yield f"{name}=={version}\n"


def base_constraints(environments: Path) -> Path:
    """A file that holds pip to what is installed here, for scripts that call it themselves (`PIP_CONSTRAINT`).

    They may add packages to the environment that all jobs share, but not put other versions in place of its own.
    """
    site = Path(sysconfig.get_paths()["purelib"])
    with storage_errors(site):
        changed = f"{sys.prefix} {site.stat().st_mtime_ns}"
    path = environments / f"base-{hashlib.sha256(changed.encode()).hexdigest()[:24]}.txt"
    if not path.exists():
        found = {one.name: one.version for one in metadata.distributions() if _is_pinned(one)}
        write_bytes(path, "".join(f"{name}=={found[name]}\n" for name in sorted(found)).encode(), durable=False)
    return path


def _is_pinned(one: metadata.Distribution) -> bool:
    try:
        Requirement(f"{one.name}=={one.version}")
    except (InvalidRequirement, KeyError):          # a folder that a broken installation left
        return False
    return True
