"""Load for a while: memory and open files stay where they are, in every process. Short; benchmarks do it for long."""

from __future__ import annotations

import socket
from itertools import islice

import httpx
import psutil
import pytest

from tests.serving.fuzz import PHOTOGRAPHS, fuzz
from tests.serving.mutations import bodies
from tests.serving.running_server import RunningServer

WARM_UP, LOAD, HANG_UPS = 1000, 1500, 100
MIB = 1024**2
GROWTH_BYTES = 8 * MIB          # of one process; a leak of one body of 10 KB a request would be 15 MB
HEAD = b"POST /invocations HTTP/1.1\r\nHost: x\r\nContent-Type: image/png\r\nContent-Length: 1000\r\n\r\nabc"


def sizes(running: RunningServer) -> dict[int, tuple[str, int, int]]:
    """process -> (name, bytes of memory, open files)."""
    found = [psutil.Process(running.process.pid), *psutil.Process(running.process.pid).children(recursive=True)]
    return {one.pid: (one.name(), one.memory_info().rss, one.num_fds()) for one in found}


@pytest.mark.slow
def test_memory_and_open_files_are_flat(start_server, archive) -> None:
    running = start_server(archive, "--max-pixels=1000000")
    load = bodies(WARM_UP + LOAD, 5, PHOTOGRAPHS)
    assert fuzz(running, islice(load, WARM_UP)).is_good
    before = sizes(running)
    assert fuzz(running, load).is_good
    for _ in range(HANG_UPS):
        with socket.create_connection(("127.0.0.1", running.port)) as caller:
            caller.sendall(HEAD)
    assert httpx.get(f"{running.url}/ping", trust_env=False, timeout=120).status_code == 200
    after = sizes(running)
    assert set(after) == set(before), "a process was replaced"
    for pid, (name, memory, files) in after.items():
        grown = memory - before[pid][1]
        assert grown < GROWTH_BYTES, f"{name} has grown by {grown / MIB:.1f} MiB"
        assert files <= before[pid][2] + 2, f"{name} has {files} open files, and had {before[pid][2]}"
