from __future__ import annotations

import math
import os
from pathlib import Path

from tintype.profiler.proc import TICKS_PER_SECOND, CoreTimes, DiskCounters, Proc
from tintype.profiler.process_tree import ProcessTree
from tintype.profiler.run_queue import THREADS_PER_LOOK, RunQueue


def write(root: Path, files: dict[str, str]) -> Proc:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return Proc(root)


def stat(pid: int, parent: int, ticks: int, started: int = 7, state: str = "S", resident: int = 10) -> str:
    after_name = [state, parent, 0, 0, 0, 0, 0, 0, 0, 0, 0, ticks, 0, 0, 0, 20, 0, 3, 0, started, 99, resident, 0]
    return f"{pid} (a (odd) name) {' '.join(map(str, after_name))}\n"


def test_sixty_four_cores(tmp_path: Path) -> None:
    cores = "".join(f"cpu{n} {n} 1 2 100 5 3 4 0 0 0\n" for n in range(64))
    proc = write(tmp_path, {"stat": f"cpu 640 64 128 6400 320 1 1 0 0 0\n{cores}intr 1 2\nprocs_running 9\n"})
    times, running = proc.core_times()
    assert running == 9
    assert len(times) == 65
    assert times["cpu63"] == CoreTimes(63 + 1 + 2 + 3 + 4, 5, 63 + 1 + 2 + 3 + 4 + 100 + 5)


def test_whole_disks_count_once(tmp_path: Path) -> None:
    line = "{} {} {} 10 0 200 0 5 0 80 0 0 {} 0\n"
    rows = [line.format(7, 0, "loop0", 9), line.format(259, 0, "nvme0n1", 77), line.format(259, 1, "nvme0n1p1", 77)]
    assert write(tmp_path, {"diskstats": "".join(rows)}).disks() == {
        "nvme0n1": DiskCounters(15, 200 * 512, 80 * 512, 77)
    }


def test_network_without_loopback(tmp_path: Path) -> None:
    head = "Inter-|   Receive\n face |bytes\n"
    rows = "    lo: 900 1 0 0 0 0 0 0 900 1 0 0 0 0 0 0\n  eth0:1000 1 0 0 0 0 0 0 2000 1 0 0 0 0 0 0\n"
    assert write(tmp_path, {"5/net/dev": head + rows}).network(5) == (1000, 2000)


def test_memory_that_can_be_given_back_is_not_in_use(tmp_path: Path) -> None:
    proc = write(tmp_path, {"meminfo": "MemTotal: 100 kB\nMemFree: 10 kB\nMemAvailable: 70 kB\n"})
    assert proc.memory() == (30 * 1024, 100 * 1024)


def test_our_own_process() -> None:
    mine = Proc().process(os.getpid())
    assert mine is not None
    assert mine.parent == os.getppid()
    assert mine.resident_bytes > 1 << 20
    assert Proc().process(2**22 + 1) is None


def test_a_tree_keeps_the_time_of_those_that_ended(tmp_path: Path) -> None:
    proc = write(tmp_path, {"10/stat": stat(10, 1, 100), "11/stat": stat(11, 10, 50), "12/stat": stat(12, 1, 999)})
    tree = ProcessTree(proc, 10)
    first = tree.look()
    assert (first.processes, first.threads) == (2, 6)
    write(tmp_path, {"10/stat": stat(10, 1, 100 + TICKS_PER_SECOND), "11/stat": stat(11, 10, 50 + TICKS_PER_SECOND)})
    assert tree.look().cpu_seconds - first.cpu_seconds == 2.0
    (tmp_path / "11" / "stat").unlink()
    last = tree.look()
    assert last.cpu_seconds - first.cpu_seconds == 2.0
    assert last.processes == 1


def test_a_new_process_is_found_at_once_where_its_parent_tells(tmp_path: Path) -> None:
    proc = write(tmp_path, {"10/stat": stat(10, 1, 100), "10/task/10/children": ""})
    tree = ProcessTree(proc, 10)
    tree.look()
    write(tmp_path, {"10/task/10/children": "11 ", "11/stat": stat(11, 10, 2), "11/task/11/children": "12",
                     "12/stat": stat(12, 11, 3)})  # fmt: skip
    found = tree.look()
    assert (found.processes, found.cpu_seconds) == (3, (2 + 3) / TICKS_PER_SECOND)
    assert list(tree.members) == [10, 11, 12]


def test_a_process_is_gone_when_unburied_and_when_another_has_its_id(tmp_path: Path) -> None:
    tree = ProcessTree(write(tmp_path, {"10/stat": stat(10, 1, 1)}), 10)
    assert tree.is_alive
    write(tmp_path, {"10/stat": stat(10, 1, 1, state="Z")})
    assert not tree.is_alive
    write(tmp_path, {"10/stat": stat(10, 1, 1, started=8)})
    assert not tree.is_alive
    (tmp_path / "10" / "stat").unlink()
    assert not tree.is_alive


def threads(process: int, accounts: dict[int, tuple[float, float]]) -> dict[str, str]:
    """What the kernel says of threads: seconds that each ran, and waited for a core."""
    return {
        f"{process}/task/{thread}/schedstat": f"{int(ran * 1e9)} {int(waited * 1e9)} 5\n"
        for thread, (ran, waited) in accounts.items()
    }


def test_threads_that_want_a_core_are_those_that_run_and_those_that_wait(tmp_path: Path) -> None:
    queue = RunQueue(write(tmp_path, threads(10, {10: (50.0, 9.0), 11: (1.0, 0.0)})))
    assert math.isnan(queue.look(100.0, [10]))
    write(tmp_path, threads(10, {10: (51.0, 10.0), 11: (1.0, 0.0)}))        # one turn each, of two seconds; 11 slept
    assert queue.look(102.0, [10]) == 1.0
    write(tmp_path, {**threads(10, {10: (52.0, 10.0), 11: (0.5, 0.0)}), **threads(12, {12: (0.25, 0.25)})})
    assert queue.look(103.0, [10, 12]) == 2.0                               # 11 and 12 are new
    (tmp_path / "10" / "task" / "11" / "schedstat").unlink()
    assert queue.look(104.0, [10, 12, 99]) == 0.0
    assert math.isnan(queue.look(105.0, [99]))


def test_of_many_threads_some_looks_are_left_out(tmp_path: Path) -> None:
    many = range(10, 10 + 2 * THREADS_PER_LOOK)
    queue = RunQueue(write(tmp_path, threads(10, dict.fromkeys(many, (1.0, 0.0)))))
    queue.look(0.0, [10])
    write(tmp_path, threads(10, dict.fromkeys(many, (2.5, 0.0))))
    assert math.isnan(queue.look(1.0, [10]))
    assert math.isnan(queue.look(2.0, [10]))
    assert [queue.look(at, [10]) for at in (3.0, 4.0, 5.0)] == [THREADS_PER_LOOK] * 3
    assert queue.look(6.0, [10]) == 0.0


def test_our_own_threads() -> None:
    assert Proc().wanted(os.getpid())[os.getpid()] > 0
    assert Proc().wanted(2**22 + 1) == {}
