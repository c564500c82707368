from __future__ import annotations

import mmap
import os
import re
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from tests.jobs.running_engine import ONE_CORE, SECONDS, home_in
from tintype.jobs.instances import GIB
from tintype.jobs.job import Status
from tintype.jobs.memory import reason_to_end, taken_by

MIB = 1 << 20


@pytest.mark.parametrize(
    ("claimed", "taken", "left", "total", "ends"),
    [
        (4, 5, 0.4, 16, True),
        (4, 4, 0.4, 16, False),             # it keeps to its claim; another must go
        (4, 5, 0.9, 16, False),             # a twentieth of the machine is left
        (4, 500, 1.1, 512, False),          # a gibibyte is enough on a large one
        (4, 500, 0.9, 512, True),
    ],
)
def test_only_who_took_too_much_of_a_machine_that_is_short_must_end(
    claimed: int, taken: int, left: float, total: int, ends: bool
) -> None:
    reason = reason_to_end(claimed * GIB, taken * GIB, int(left * GIB), total * GIB)
    assert bool(reason) is ends
    if ends:
        assert f"took {taken}.0 GiB of memory, more than the {claimed}.0 GiB" in reason


def test_what_processes_share_counts_once() -> None:
    shared = mmap.mmap(-1, 64 * MIB)
    for offset in range(0, len(shared), 4096):
        shared[offset] = 1
    read, write = os.pipe()
    children = [os.fork() for _ in range(2)]
    if 0 in children:
        os.close(write)
        sum(shared[offset] for offset in range(0, len(shared), 4096))
        os.read(read, 1)
        os._exit(0)
    family = [os.getpid(), *children]
    alone = taken_by([os.getpid()], 0)
    assert alone > 0
    assert taken_by(family, 1 << 50) == 0               # nothing near the claim: not looked at closely
    resident = sum(psutil.Process(pid).memory_info().rss for pid in family)
    assert taken_by(family, 0) < resident - 100 * MIB   # 64 MiB that three have
    os.close(write)
    for child in children:
        os.waitpid(child, 0)


PROGRAM = "import time; hold = bytearray(300 << 20); print('holds', flush=True); time.sleep(SECONDS)"


@pytest.mark.parametrize("short", [True, False])
def test_a_job_above_its_claim(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, short: bool) -> None:
    if short:               # for the fork server, which all supervisors come from
        (tmp_path / "sitecustomize.py").write_text(
            "import psutil\nreal = psutil.virtual_memory\n"
            "psutil.virtual_memory = lambda: real()._replace(available=100 << 20)\n"
        )
        monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with home_in(tmp_path) as home, home.engine() as engine:
        text = PROGRAM.replace("SECONDS", "600" if short else "1.5")
        job = engine.submit(home.script(text, resources=replace(ONE_CORE, memory_bytes=50 << 20)), "greedy")
        ended = engine.wait("greedy", timeout=SECONDS)
        if not short:
            assert ended.status is Status.COMPLETED
            return
        assert ended.status is Status.FAILED
        said = r"took (\d+) MiB of memory, more than the 50 MiB .* has only 100 MiB left"
        found = re.search(said, ended.failure_reason)
        assert found is not None, ended.failure_reason
        assert int(found[1]) > 50               # perhaps not all of it yet: a crowded machine gives memory slowly
        assert home.processes_of(job) == []
