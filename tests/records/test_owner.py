from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace

from tintype.records.owner import Owner, is_known_dead, started_at

HERE = Owner.of()


def test_this_process_lives_and_reads_itself_back() -> None:
    assert HERE.pid == os.getpid()
    assert not is_known_dead(HERE, HERE)
    assert Owner.from_json(HERE.to_json()) == HERE


def test_an_ended_process_is_dead_even_as_a_zombie() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        owner = Owner.of(process.pid)
        assert not is_known_dead(owner, HERE)
        process.kill()
        while os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT) is None:
            pass
        assert started_at(process.pid) is None              # killed, and nobody has waited for it
        assert is_known_dead(owner, HERE)
    assert is_known_dead(owner, HERE)


def test_a_pid_that_is_used_again_is_another_process() -> None:
    assert is_known_dead(replace(HERE, pid_started_at=HERE.pid_started_at - 1), HERE)


def test_what_ran_before_a_restart_of_the_machine_is_dead() -> None:
    assert is_known_dead(replace(HERE, boot_id="another"), HERE)


def test_of_another_machine_or_container_nothing_is_known() -> None:
    gone = replace(HERE, pid=2**22 + 1)
    assert is_known_dead(gone, HERE)
    assert not is_known_dead(replace(gone, host="another", boot_id="another"), HERE)
    assert not is_known_dead(replace(gone, pid_namespace="pid:[7]"), HERE)
    assert not is_known_dead(replace(gone, boot_id=""), replace(HERE, boot_id=""))


def test_a_name_with_brackets_and_blanks_is_no_trouble() -> None:
    code = "import ctypes, sys; ctypes.CDLL(None).prctl(15, b') Z 1 ('); print(flush=True); input()"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert (started_at(process.pid) or 0) >= HERE.pid_started_at
        process.kill()
