"""What the kernel lets a process have: its cgroup's limits, versions 2 and 1, as containers set them."""

from __future__ import annotations

from pathlib import Path

CGROUP = Path("/sys/fs/cgroup")
PROCESSES = Path("/proc")
UNLIMITED = 1 << 60                     # version 1 spells "no limit" as a number near 2^63


def cgroup_of(process_id: int | str, cgroup: Path = CGROUP, processes: Path = PROCESSES) -> Path:
    """The folder of a process's cgroup (version 2), or the root of all when it cannot be seen, as in a container.

    `process_id` may be "self".
    """
    paths = [
        line.split(":", 2)[2].lstrip("/")
        for line in (text_of(processes / str(process_id) / "cgroup") or "").splitlines()
        if line.startswith("0::")
    ]
    inside = cgroup / paths[0] if paths else cgroup
    return inside if (inside / "cgroup.procs").exists() else cgroup


def cpu_quota(folder: Path) -> float | None:
    """Cores that the least quota of the cgroup and those around it amounts to; None without one."""
    return _own_quota(quota_folder(folder))


def quota_folder(folder: Path) -> Path:
    """The cgroup, of `folder` and those around it, that has the least quota; `folder` itself when none has one."""
    quotas = {one: quota for one in (folder, *folder.parents) if (quota := _own_quota(one)) is not None}
    return min(quotas, key=quotas.__getitem__, default=folder)


def _own_quota(folder: Path) -> float | None:
    words = (text_of(folder / "cpu.max") or "").split()
    if len(words) == 2 and words[0] != "max":
        return int(words[0]) / int(words[1])
    quota = text_of(folder / "cpu" / "cpu.cfs_quota_us")
    period = text_of(folder / "cpu" / "cpu.cfs_period_us")
    return int(quota) / int(period) if quota and period and int(quota) > 0 else None


def memory_limit(folder: Path) -> int | None:
    """The least limit of the cgroup and those around it, in bytes; None without one."""
    limits = [limit for one in (folder, *folder.parents) if (limit := _own_limit(one)) is not None]
    return min(limits, default=None)


def _own_limit(folder: Path) -> int | None:
    word = text_of(folder / "memory.max") or text_of(folder / "memory" / "memory.limit_in_bytes")
    return int(word) if word and word != "max" and int(word) < UNLIMITED else None


def memory_in_use(folder: Path) -> int | None:
    """Bytes that the cgroup has in use without the page cache that can be dropped; None without the file."""
    word = text_of(folder / "memory.current") or text_of(folder / "memory" / "memory.usage_in_bytes")
    if not word:
        return None
    statistics = text_of(folder / "memory.stat") or text_of(folder / "memory" / "memory.stat") or ""
    pairs = dict(line.split()[:2] for line in statistics.splitlines() if len(line.split()) >= 2)
    return max(0, int(word) - int(pairs.get("inactive_file", pairs.get("total_inactive_file", 0))))


def text_of(path: Path) -> str | None:
    """What the kernel says in a file; None where it has no such file."""
    try:
        return path.read_text().strip()
    except OSError:
        return None
