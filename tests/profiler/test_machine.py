from __future__ import annotations

import os
from pathlib import Path

from tests.cgroup_files import write
from tintype.profiler.machine import Gpu, Machine, observe_machine, read_machines


def test_a_process_in_a_cgroup_of_its_own(tmp_path: Path) -> None:
    pid = os.getpid()
    proc = write(tmp_path / "proc", **{f"{pid}__cgroup": "0::/jobs/a\n", "meminfo": "MemTotal:   8388608 kB\n"})
    write(tmp_path / "cgroup" / "jobs" / "a", cgroup_dot_procs="", cpu_dot_max="50000 100000", memory_dot_max="1048576")
    machine = observe_machine("algo-1", pid, tmp_path / "cgroup", proc)
    assert (machine.usable_cores, machine.memory_bytes, machine.memory_limit_bytes) == (0.5, 1 << 33, 1 << 20)


def test_facts_are_kept_and_a_damaged_file_is_none(tmp_path: Path) -> None:
    machine = Machine("algo-2", 64, 32.5, 1 << 38, 1 << 37, (Gpu("A100", 1 << 36),) * 8, "", 0.1, "ml.p4d.24xlarge")
    machine.save(tmp_path)
    (tmp_path / "tintype" / "machine-algo-1.json").write_text('{"node":')
    assert read_machines(tmp_path) == {"algo-2": machine}
