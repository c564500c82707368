"""Turned away by the head alone: a real server whose model waits for a file, real sockets."""

from __future__ import annotations

import json
import socket
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from tests.serving.running_server import PATIENCE_SECONDS, RunningServer, launch
from tests.serving.scripts.test_script_path import archive_of
from tests.serving.test_service import metric, wait_for

SCRIPT = """
import json, os, time
def model_fn(model_dir):
    return None
def transform_fn(model, body, content_type, accept):
    gate = json.loads(body).get("gate", "/")
    while not os.path.exists(gate):
        time.sleep(0.01)
    return "[1]"
"""
CAPACITY = 2


@pytest.fixture(scope="module")
def gated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    folder = tmp_path_factory.mktemp("gated")
    options = (f"--queue-capacity={CAPACITY}", f"--access-log={folder / 'access.log'}")
    running = launch(archive_of(folder, SCRIPT), folder, *options)
    yield running
    running.close()
    assert "Traceback" not in running.log.read_text()


@pytest.fixture
def gate(gated: RunningServer, tmp_path: Path) -> Iterator[Callable[[], None]]:
    """The server is full; the function opens the gate and waits until those inside have been answered."""
    path = tmp_path / "gate"
    statuses: list[int] = []

    def ask() -> None:
        url, body = f"{gated.url}/invocations", {"gate": str(path)}
        answer = httpx.post(url, json=body, timeout=PATIENCE_SECONDS, trust_env=False)
        statuses.append(answer.status_code)

    asking = [threading.Thread(target=ask) for _ in range(CAPACITY)]
    for one in asking:
        one.start()
    wait_for(lambda: metric(gated, "tintype_inside") == CAPACITY)

    def let_through() -> None:
        path.touch()
        for one in asking:
            one.join()
        assert statuses == [200] * CAPACITY

    yield let_through
    path.touch()
    for one in asking:
        one.join()


def head(length: int | None, *more: str) -> bytes:
    framing = "Transfer-Encoding: chunked" if length is None else f"Content-Length: {length}"
    lines = ["POST /invocations?x=1 HTTP/1.1", "Host: x", "Content-Type: application/json", framing, *more]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def answer_on(connection: socket.socket) -> tuple[int, dict[str, str], bytes]:
    """One answer, without waiting for the end of the connection."""
    content = b""
    while b"\r\n\r\n" not in content:
        content += connection.recv(65536) or pytest.fail(f"hung up after {content!r}")
    start, _, body = content.partition(b"\r\n\r\n")
    status, *lines = start.decode().split("\r\n")
    fields = dict(line.lower().split(": ", 1) for line in lines)
    while len(body) < int(fields["content-length"]):
        body += connection.recv(65536)
    return int(status.split()[1]), fields, body


def connect(running: RunningServer) -> socket.socket:
    return socket.create_connection(("127.0.0.1", running.port), timeout=PATIENCE_SECONDS)


def test_a_photograph_need_not_be_sent_to_be_refused_and_the_connection_goes_on(gated: RunningServer, gate) -> None:
    refused = metric(gated, "tintype_requests_total", status="429")
    with connect(gated) as caller:
        caller.sendall(head(200_000, "X-Request-Id: mine"))
        status, fields, body = answer_on(caller)
        told = json.loads(body)["error"]
        assert (status, told["type"], fields["retry-after"], fields["x-request-id"]) == (429, "Busy", "1", "mine")
        assert "2 places" in told["message"]
        assert fields["x-content-type-options"] == "nosniff"
        assert fields.get("connection") != "close"
        caller.sendall(bytes(200_000))
        gate()
        caller.sendall(head(2) + b"{}")                 # what was thrown away is not in the way of the next one
        assert answer_on(caller)[0] == 200
    assert metric(gated, "tintype_requests_total", status="429") == refused + 1
    lines = [json.loads(line) for line in (gated.log.parent / "access.log").read_text().splitlines()]
    (line,) = [one for one in lines if one["request_id"] == "mine"]
    assert (line["status"], line["error"], line["bytes_in"]) == (429, "Busy", 0)


@pytest.mark.parametrize(
    "start", [head(5_000_000), head(None), head(1_000, "Connection: close"), head(1_000, "Expect: 100-continue")],
    ids=["large", "endless", "asked for", "never sent"],
)  # fmt: skip
def test_connections_that_end_with_a_refusal_say_so(gated: RunningServer, gate, start: bytes) -> None:
    with connect(gated) as caller:
        caller.sendall(start)
        status, fields, _ = answer_on(caller)
        assert (status, fields["connection"]) == (429, "close")


@pytest.mark.usefixtures("gate")
def test_a_whole_body_at_once_and_requests_in_a_row(gated: RunningServer) -> None:
    with connect(gated) as caller:
        for _ in range(3):
            caller.sendall(head(300_000) + bytes(300_000))
            assert answer_on(caller)[0] == 429
        caller.sendall(2 * (head(10) + bytes(10)))      # pipelined
        assert answer_on(caller)[0] == 429


@pytest.mark.usefixtures("gate")
def test_other_mistakes_come_first_and_the_rest_of_the_server_is_open(gated: RunningServer) -> None:
    elsewhere = gated.invoke(b"{}", "application/json", Origin="http://evil.example")
    assert elsewhere.status_code == 403
    assert gated.invoke(b"{}", X_Timeout_Seconds="soon").status_code == 400
    assert gated.http.get("/ping").status_code == 200
    assert gated.http.get("/invocations").status_code == 405


@pytest.mark.usefixtures("gate")
def test_most_refusals_take_no_time(gated: RunningServer) -> None:
    with connect(gated) as caller:
        took = []
        for _ in range(200):
            began = time.perf_counter()
            caller.sendall(head(120_000) + bytes(120_000))
            assert answer_on(caller)[0] == 429
            took.append(time.perf_counter() - began)
    assert sorted(took)[100] < 1            # while those inside are not answered at all


def test_a_client_that_closes_reads_why_its_large_body_was_refused(gated: RunningServer) -> None:
    """urllib asks for the connection to be closed, and sends all of the body before it reads anything."""
    request = urllib.request.Request(f"{gated.url}/invocations", bytes(20_000_000), {"Content-Type": "image/jpeg"})
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(request, timeout=PATIENCE_SECONDS)
    assert caught.value.code == 413
    caught.value.close()


def test_who_is_refused_and_never_sends_the_rest_is_hung_up_on(gated: RunningServer, gate) -> None:
    with connect(gated) as caller:
        caller.sendall(head(100_000))
        assert answer_on(caller)[0] == 429
        assert caller.recv(1) == b""
    gate()


def test_who_hangs_up_is_heard_after_a_body_that_reading_was_paused_for(gated: RunningServer, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    body = json.dumps({"gate": str(gate), "padding": "x" * 900_000}).encode()
    for _ in range(5):                          # it depends on where the pieces end
        with connect(gated) as caller:
            caller.sendall(head(len(body)) + body)
            wait_for(lambda: metric(gated, "tintype_inside") == 1)
        wait_for(lambda: metric(gated, "tintype_inside") == 0)
    gate.touch()
    assert gated.invoke(b"{}", "application/json").status_code == 200
