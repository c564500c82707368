"""Processes are found by their mark, whatever they do, and end with all that is below them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil

from tests.jobs.running_engine import until
from tintype.jobs import processes

ENGINE = "from tintype.jobs import processes\nimport os, signal, sys, time\n"


def run(code: str, mark: str = processes.NO_MARK) -> subprocess.Popen[str]:
    environment = {**os.environ, processes.MARK: mark}
    command = [sys.executable, "-c", ENGINE + code]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)


def test_marks_are_of_one_attempt_at_one_job_of_one_home() -> None:
    home = Path("/home/a")
    marks = {processes.mark_of(home, "j", 1), processes.mark_of(home, "j", 2), processes.mark_of(home, "k", 1)}
    assert len(marks | {processes.mark_of(Path("/home/b"), "j", 1)}) == 4
    assert {len(mark) for mark in marks} == {processes.MARK_LENGTH}


def test_a_mark_that_is_put_on_later_is_seen_and_inherited_and_all_that_carry_it_are_killed(tmp_path: Path) -> None:
    mark = processes.mark_of(tmp_path, "j", 1)
    code = (
        f"processes.mark_self({mark!r})\nos.environ.clear()\n"
        "if os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0:\n        time.sleep(600)\n    os._exit(0)\n"
        "os.wait()\nprint('ready', flush=True)\ntime.sleep(600)\n"
    )
    with run(code) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        assert len(processes.marked([mark])) == 2
        assert process.pid in processes.marked([mark, "x" * processes.MARK_LENGTH])
        assert processes.marked([processes.mark_of(tmp_path, "j", 2)]) == []
        processes.kill_marked([mark])
        until(lambda: processes.marked([mark]) in ([], [process.pid]))
        assert process.wait() == -signal.SIGKILL


def test_orphans_are_adopted_and_everything_below_is_killed() -> None:
    code = (
        "processes.adopt_orphans()\n"
        "for number in range(2):\n    if os.fork() == 0:\n        os.setsid()\n"
        "        if os.fork() == 0:\n            signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "            os.fork(); time.sleep(600)\n        os._exit(0)\n"
        "spared = os.fork()\nif spared == 0:\n    time.sleep(0.5)\n    os._exit(5)\n"
        "below = lambda: len(list(processes.descendants_of(os.getpid(), frozenset({spared}))))\n"
        "until = time.monotonic() + 60\nwhile below() < 4 and time.monotonic() < until: time.sleep(0.01)\n"
        "print(below())\n"
        "processes.kill_descendants(frozenset({spared}))\n"
        "print(list(processes.descendants_of(os.getpid())) == [spared], os.waitpid(spared, 0)[1] >> 8)\n"
    )
    with run(code) as process:
        # Two leaders that have ended and wait to be buried, or were; two sleepers below each.
        count, rest = process.communicate()[0].split("\n", 1)
        assert int(count) >= 4
        assert rest == "True 5\n"


def test_a_process_ends_with_its_parent() -> None:
    code = (
        "parent = os.getpid()\nchild = os.fork()\n"
        "if child == 0:\n    processes.die_with(parent)\n    print(os.getpid(), flush=True)\n    time.sleep(600)\n"
        "time.sleep(600)\n"
    )
    with run(code) as process:
        assert process.stdout is not None
        child = int(process.stdout.readline())
        process.kill()
    until(lambda: not processes.is_running(child))


def test_a_process_lives_as_long_as_its_last_thread() -> None:
    """Killed on a busy machine, a process may be a zombie while others of its threads still have its files open."""
    code = (
        "import ctypes, threading\nthreading.Thread(target=time.sleep, args=(600,)).start()\n"
        "print('up', flush=True)\nctypes.CDLL(None).pthread_exit(None)\n"
    )
    with run(code) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "up\n"
        until(lambda: psutil.Process(process.pid).status() == psutil.STATUS_ZOMBIE)
        assert processes.is_running(process.pid)
        process.kill()
        until(lambda: not processes.is_running(process.pid))


def test_exit_codes_are_collected() -> None:
    code = (
        "one, two, three = os.fork(), 0, 0\nif one == 0: os._exit(3)\ntwo = os.fork()\nif two == 0: time.sleep(600)\n"
        "three = os.fork()\nif three == 0: time.sleep(600)\n"
        "ends = lambda pid: os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)\n"
        "processes.send(two, signal.SIGKILL)\nends(one)\nends(two)\n"
        "ended = processes.reap([one, two, three, 999_999_999])\nprint(ended == {one: 3, two: -9})\n"
        "processes.send(three, signal.SIGKILL)\nends(three)\nprocesses.bury()\n"
        "print(processes.children_of(os.getpid()))\nprocesses.send(three, signal.SIGTERM)\n"
    )
    with run(code) as process:
        assert process.communicate()[0] == "True\n[]\n"


def test_memory_is_gathered_without_a_change_to_it() -> None:
    kept = [bytes([number % 256]) * 1000 for number in range(5000)]
    processes.gather_pages()
    assert all(one == bytes([number % 256]) * 1000 for number, one in enumerate(kept))
