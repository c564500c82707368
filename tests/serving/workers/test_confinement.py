"""What a confined process may not do. In processes of their own: there is no way back."""

from __future__ import annotations

import signal
import subprocess
import sys
import time

import pytest

START = "from tintype.serving.workers.confinement import *\n"


def run(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", START + code], capture_output=True, text=True, timeout=60)


def test_memory_has_an_end_and_what_is_within_is_there() -> None:
    ended = run("confine(64 << 20)\nbytes(32 << 20)\nprint('some')\nbytes(128 << 20)")
    assert ended.stdout == "some\n"
    assert "MemoryError" in ended.stderr


def test_computing_has_an_end() -> None:
    started = time.process_time()
    ended = run("allow_seconds(0.2)\nwhile True: pass")
    assert ended.returncode == -signal.SIGXCPU
    assert time.process_time() - started < 10


def test_the_time_is_for_each_job() -> None:
    work = "import time\nfor _ in range(8):\n allow_seconds(0.3)\n end = time.process_time() + 0.15\n"
    assert run(work + " while time.process_time() < end: pass\nprint('done')").stdout == "done\n"


def test_there_is_no_network_where_the_machine_allows_that() -> None:
    code = "import os\nbefore = os.readlink('/proc/self/ns/net')\nconfine(1 << 30)\n"
    if run(code + "print(before != os.readlink('/proc/self/ns/net'))").stdout != "True\n":
        pytest.skip("this machine gives no network namespaces")
    ended = run(code + "import socket\nsocket.create_connection(('127.0.0.1', 1), 2)")
    assert "Network is unreachable" in ended.stderr
