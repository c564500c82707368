from __future__ import annotations

import os
from pathlib import Path

import pytest

from tintype.profiler.machine import (
    Gpu,
    Machine,
    cgroup_of,
    cpu_quota,
    memory_in_use,
    memory_limit,
    observe_machine,
    read_machines,
)  # fmt: skip


def write(folder: Path, **files: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        path = folder / name.replace("__", "/").replace("_dot_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return folder


@pytest.mark.parametrize(
    ("files", "cores", "memory"),
    [
        ({"cpu_dot_max": "150000 100000\n", "memory_dot_max": "1073741824\n"}, 1.5, 1 << 30),
        ({"cpu_dot_max": "max 100000\n", "memory_dot_max": "max\n"}, None, None),
        (
            {
                "cpu__cpu_dot_cfs_quota_us": "200000", "cpu__cpu_dot_cfs_period_us": "100000",
                "memory__memory_dot_limit_in_bytes": "536870912",
            },
            2.0, 1 << 29,
        ),
        ({"cpu__cpu_dot_cfs_quota_us": "-1", "memory__memory_dot_limit_in_bytes": "9223372036854771712"}, None, None),
        ({}, None, None),
    ],
)  # fmt: skip
def test_limits_of_both_versions(
    tmp_path: Path, files: dict[str, str], cores: float | None, memory: int | None
) -> None:
    folder = write(tmp_path, **files)
    assert cpu_quota(folder) == cores
    assert memory_limit(folder) == memory


def test_the_page_cache_that_can_be_dropped_is_not_in_use(tmp_path: Path) -> None:
    write(tmp_path, memory_dot_current="1000\n", memory_dot_stat="anon 300\ninactive_file 600\n")
    assert memory_in_use(tmp_path) == 400


def test_a_process_in_a_cgroup_of_its_own(tmp_path: Path) -> None:
    pid = os.getpid()
    proc = write(tmp_path / "proc", **{f"{pid}__cgroup": "0::/jobs/a\n", "meminfo": "MemTotal:   8388608 kB\n"})
    write(tmp_path / "cgroup" / "jobs" / "a", cgroup_dot_procs="", cpu_dot_max="50000 100000", memory_dot_max="1048576")
    assert cgroup_of(pid, tmp_path / "cgroup", proc) == tmp_path / "cgroup" / "jobs" / "a"
    machine = observe_machine("algo-1", pid, tmp_path / "cgroup", proc)
    assert (machine.usable_cores, machine.memory_bytes, machine.memory_limit_bytes) == (0.5, 1 << 33, 1 << 20)


def test_facts_are_kept_and_a_damaged_file_is_none(tmp_path: Path) -> None:
    machine = Machine("algo-2", 64, 32.5, 1 << 38, 1 << 37, (Gpu("A100", 1 << 36),) * 8, "", 0.1, "ml.p4d.24xlarge")
    machine.save(tmp_path)
    (tmp_path / "tintype" / "machine-algo-1.json").write_text('{"node":')
    assert read_machines(tmp_path) == {"algo-2": machine}
