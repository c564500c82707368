from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cgroup_files import write
from tintype import cores


@pytest.fixture
def eight(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cores, "allowed_processors", lambda: list(range(8)))


def siblings(folder: Path, *lists: str) -> Path:
    for number, listed in enumerate(lists):
        write(folder / f"cpu{number}" / "topology", thread_siblings_list=f"{listed}\n")
    return folder


@pytest.mark.parametrize(
    ("quota", "usable", "bound"),
    [("max 100000", 8, 8), ("800000 100000", 8, 8), ("150000 100000", 2, 0), ("20000 100000", 1, 0), (None, 8, 8)],
)
@pytest.mark.usefixtures("eight")
def test_a_containers_quota(tmp_path: Path, quota: str | None, usable: int, bound: int) -> None:
    if quota:
        write(tmp_path, cpu_dot_max=quota)
    assert cores.usable_cores(tmp_path) == usable
    assert len(cores.whole_cores(tmp_path, tmp_path)) == bound


@pytest.mark.parametrize(
    "lists", [["0,4", "1,5", "2,6", "3,7"] * 2, ["0-1", "0-1", "2-3", "2-3", "4-5", "4-5", "6-7", "6-7"]]
)
@pytest.mark.usefixtures("eight")
def test_a_core_that_runs_two_threads_is_one(tmp_path: Path, lists: list[str]) -> None:
    found = cores.whole_cores(tmp_path, siblings(tmp_path, *lists))
    assert len(found) == 4
    assert sorted(number for core in found for number in core) == list(range(8))
    assert {len(core) for core in found} == {2}


def test_only_what_this_process_may_use(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(cores, "allowed_processors", lambda: [1, 3, 6])
    found = cores.whole_cores(tmp_path, siblings(tmp_path, *["0,4", "1,5", "2,6", "3,7"] * 2))
    assert found == (frozenset({1}), frozenset({3}), frozenset({6}))


def test_this_machine() -> None:
    allowed = cores.allowed_processors()
    assert 1 <= cores.usable_cores() <= len(allowed) <= (os.cpu_count() or 1)
    assert set().union(*cores.whole_cores()) in (set(), set(allowed))


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="processes cannot be bound here")
def test_a_process_that_is_bound() -> None:
    one = min(os.sched_getaffinity(0))
    code = (
        f"import os; os.sched_setaffinity(0, {{{one}}}); from tintype import cores; "
        "print(cores.usable_cores(), *cores.whole_cores())"
    )
    found = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert found.stdout == f"1 frozenset({{{one}}})\n"
