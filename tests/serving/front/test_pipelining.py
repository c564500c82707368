"""Several requests on one connection, one after another, before anything is answered. A real server, real sockets."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.serving.front.test_door import SCRIPT, head
from tests.serving.front.test_guarded_protocol import connect
from tests.serving.running_server import RunningServer, launch
from tests.serving.scripts.test_script_path import archive_of
from tests.serving.test_service import metric, wait_for

PING = b"GET /ping HTTP/1.1\r\nHost: x\r\n\r\n"
LAST = b"GET /nothing HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


@pytest.fixture(scope="module")
def gated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    folder = tmp_path_factory.mktemp("gated")
    running = launch(archive_of(folder, SCRIPT), folder)
    yield running
    running.close()
    assert "Traceback" not in running.log.read_text()


@pytest.fixture
def gate(tmp_path: Path) -> Iterator[Path]:
    """What the script waits for."""
    path = tmp_path / "gate"
    yield path
    path.touch()


def asking(gate: Path | None, padding: int = 0) -> bytes:
    body = json.dumps({"gate": str(gate), "padding": " " * padding} if gate else {}).encode()
    return head(len(body)) + body


def inside(running: RunningServer) -> float:
    return metric(running, "tintype_inside")


@pytest.mark.parametrize(("later", "padding"), [(1, 0), (5, 0), (1, 150_000), (2, 60_000)])
def test_all_of_them_hear_of_a_hang_up(gated: RunningServer, gate: Path, later: int, padding: int) -> None:
    with connect(gated) as caller:
        caller.sendall(asking(gate))
        wait_for(lambda: inside(gated) == 1)
        caller.sendall(asking(gate, padding) * later)
        assert inside(gated) == 1
    wait_for(lambda: inside(gated) == 0)
    assert not gate.exists()


def test_those_that_came_in_one_piece_hear_of_it_too(gated: RunningServer, gate: Path) -> None:
    with connect(gated) as caller:
        caller.sendall(asking(gate) * 3)
        wait_for(lambda: inside(gated) == 1)
    wait_for(lambda: inside(gated) == 0)


def test_they_are_answered_in_their_order_however_many_there_are(gated: RunningServer) -> None:
    with connect(gated) as caller:
        caller.sendall((PING + asking(None)) * 50 + asking(None, 300_000) + LAST)
        content = b"".join(iter(lambda: caller.recv(65536), b""))
    statuses = [part.split()[0] for part in content.split(b"HTTP/1.1 ")[1:]]
    assert statuses == [b"200"] * 101 + [b"404"]
    assert content.count(b"[1]") == 51
