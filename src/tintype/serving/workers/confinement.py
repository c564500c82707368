"""What a process may not do that decodes bytes from strangers: take much memory, compute for long, use the network.

Memory and time are hard limits of the kernel's. A network namespace of its own is had where the machine allows it.
"""

from __future__ import annotations

import contextlib
import ctypes
import math
import os
import resource
from pathlib import Path

PR_SET_NO_NEW_PRIVS = 38
CLONE_NEWUSER, CLONE_NEWNET = 0x10000000, 0x40000000

_libc = ctypes.CDLL(None, use_errno=True)       # loaded before any fork


def confine(extra_bytes: int) -> None:
    """From now on this process may take `extra_bytes` of address space more than it has, leaves no core dump, and has
    no network (where that can be had)."""
    _set(resource.RLIMIT_AS, address_space() + extra_bytes)
    _set(resource.RLIMIT_CORE, 0)
    _libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    # Root may at once; others by way of a user namespace, where the kernel lets them.
    _libc.unshare(CLONE_NEWNET if os.geteuid() == 0 else CLONE_NEWUSER | CLONE_NEWNET)


def allow_seconds(seconds: float) -> None:
    """The kernel ends this process (SIGXCPU) when it has computed for `seconds` more."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    total = math.ceil(used.ru_utime + used.ru_stime + seconds)       # the kernel counts whole seconds
    resource.setrlimit(resource.RLIMIT_CPU, (total, resource.RLIM_INFINITY))


def address_space() -> int:
    """Bytes of address space that this process has."""
    return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()


def resident_bytes() -> int:
    """Bytes of memory that this process has."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def _set(limit: int, value: int) -> None:
    _, hard = resource.getrlimit(limit)
    most = value if hard == resource.RLIM_INFINITY else min(value, hard)
    with contextlib.suppress(ValueError, OSError):      # the machine has a lower one already
        resource.setrlimit(limit, (most, most))
