from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tintype.jobs import processes, zygote


@pytest.fixture
def gathered(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    times: list[str] = []
    monkeypatch.setattr(zygote, "IDLE_SECONDS", 0.01)
    monkeypatch.setattr(processes, "gather_pages", lambda: times.append("gathered"))
    return times


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs:
        yield ours, theirs


def test_memory_is_gathered_when_there_is_nothing_to_do(
    gathered: list[str], ends: tuple[socket.socket, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "has_children", lambda: False)
    assert zygote._gathered_while_waiting(ends[0], served=1)
    assert gathered


def test_a_job_that_waits_is_not_kept_waiting(gathered: list[str], ends: tuple[socket.socket, socket.socket]) -> None:
    ends[1].send(b"an assignment")
    assert not zygote._gathered_while_waiting(ends[0], served=0)
    assert not gathered


def test_nor_is_memory_doubled_while_a_job_runs(
    gathered: list[str], ends: tuple[socket.socket, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = iter((True, True, False))
    monkeypatch.setattr(processes, "has_children", lambda: next(looks))
    assert zygote._gathered_while_waiting(ends[0], served=3)
    assert next(looks, "all were needed") == "all were needed"


def test_after_many_jobs_it_has_paid_whatever_runs(
    gathered: list[str], ends: tuple[socket.socket, socket.socket]
) -> None:
    assert zygote._gathered_while_waiting(ends[0], served=zygote.MANY_JOBS)
    assert gathered


def test_imports_run_without_the_collector_and_jobs_with_it() -> None:
    code = (
        "import gc, sys, types\n"
        "from tintype.jobs import zygote\n"
        "seen = []\n"
        "zygote.importlib = types.SimpleNamespace(import_module=lambda name: seen.append((name, gc.isenabled())))\n"
        "zygote.preload('torch,timm')\n"
        "print(seen, gc.isenabled(), gc.get_freeze_count() > 1000)\n"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "[('torch', False), ('timm', False)] True True"


def test_what_is_a_child() -> None:
    code = (
        "import subprocess\nfrom tintype.jobs.processes import has_children\n"
        "before = has_children()\nchild = subprocess.Popen(['sleep', '9'])\nbeside = has_children()\n"
        "child.kill()\nchild.wait()\nprint(before, beside, has_children())"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.split() == ["False", "True", "False"]
