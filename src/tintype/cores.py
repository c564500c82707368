"""The processor's cores, as far as this process may use them."""

from __future__ import annotations

import math
import os
from pathlib import Path

from tintype.cgroup import CGROUP, cgroup_of, cpu_quota, text_of

PROCESSORS = Path("/sys/devices/system/cpu")


def allowed_processors() -> list[int]:
    """The numbers of the logical processors that this thread may run on, in order."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def usable_cores(cgroup: Path = CGROUP) -> int:
    """How many things can compute at once: the processors allowed, or the part of them that a container's quota is.

    More threads than a quota has cores use it up early in each period, and all stand still for the rest of it.
    """
    allowed = len(allowed_processors())
    quota = cpu_quota(cgroup_of("self", cgroup))
    return min(allowed, math.ceil(quota)) if quota else allowed


def whole_cores(cgroup: Path = CGROUP, processors: Path = PROCESSORS) -> tuple[frozenset[int], ...]:
    """The cores that threads may be bound to, each with its logical processors (two where it runs two threads at once).

    None at all when a quota gives less than those cores: then each container on a machine would bind to the first few.
    And none where threads cannot be bound.
    """
    if not hasattr(os, "sched_setaffinity"):
        return ()
    allowed = allowed_processors()
    siblings = {frozenset(_siblings(processors, one)) & frozenset(allowed) for one in allowed}
    cores = tuple(sorted(siblings, key=min))
    quota = cpu_quota(cgroup_of("self", cgroup))
    return () if quota and quota < len(cores) else cores


def _siblings(processors: Path, number: int) -> set[int]:
    """The processors that share a core with this one, itself among them: "0-1" or "0,8" in sysfs."""
    listed = text_of(processors / f"cpu{number}" / "topology" / "thread_siblings_list") or ""
    found = {number}
    for span in filter(None, listed.split(",")):
        first, _, last = span.partition("-")
        found.update(range(int(first), int(last or first) + 1))
    return found
