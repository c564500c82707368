"""Heads that are late, endless or no HTTP; too many connections. A real server, real sockets."""

from __future__ import annotations

import contextlib
import json
import socket
import time
from collections.abc import Iterator

import httpx
import pytest

from tests.serving.running_server import PATIENCE_SECONDS, RunningServer, launch
from tests.serving.test_service import wait_for

POST = b"POST /invocations HTTP/1.1\r\nHost: x\r\nContent-Type: image/png\r\n"


@pytest.fixture(scope="module")
def guarded(archive, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    limits = ("--header-seconds=0.5", "--header-limit-bytes=4096")
    running = launch(archive, tmp_path_factory.mktemp("guarded"), *limits)
    yield running
    running.close()
    assert "Traceback" not in running.log.read_text()


def connect(running: RunningServer) -> socket.socket:
    return socket.create_connection(("127.0.0.1", running.port), timeout=PATIENCE_SECONDS)


def end_of(connection: socket.socket) -> tuple[int, str]:
    """(status, type) of an answer after which the server hangs up."""
    content = b"".join(iter(lambda: connection.recv(65536), b""))
    head, _, body = content.partition(b"\r\n\r\n")
    assert b"application/json" in head.lower()
    error = json.loads(body)["error"]
    assert error["message"]
    return int(head.split()[1]), error["type"]


def pings(running: RunningServer) -> bool:
    return httpx.get(f"{running.url}/ping", trust_env=False, timeout=PATIENCE_SECONDS).status_code == 200


@pytest.mark.parametrize("start", [b"", b"P", b"\r\n", POST, POST + b"X-Slow: "])
def test_a_head_that_does_not_come_is_given_up(guarded: RunningServer, start: bytes) -> None:
    began = time.monotonic()
    with connect(guarded) as slow:
        slow.sendall(start)
        assert end_of(slow) == (408, "RequestTimeout")
    assert time.monotonic() - began > 0.3
    assert pings(guarded)


def test_a_head_that_comes_byte_by_byte_is_given_up_as_well(guarded: RunningServer) -> None:
    with connect(guarded) as slow:
        slow.sendall(POST)
        began = time.monotonic()
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            while time.monotonic() < began + 60:
                slow.sendall(b"X")
                time.sleep(0.05)
        assert time.monotonic() - began < 50


def test_a_second_request_on_the_connection_has_its_own_time(guarded: RunningServer, picture) -> None:
    with httpx.Client(base_url=guarded.url, trust_env=False, timeout=PATIENCE_SECONDS) as http:
        for _ in range(3):
            answer = http.post("/invocations", content=picture(), headers={"Content-Type": "image/png"})
            assert answer.status_code == 200
            time.sleep(0.3)
    with connect(guarded) as slow:
        slow.sendall(b"GET /ping HTTP/1.1\r\nHost: x\r\n\r\n")
        assert slow.recv(4096).startswith(b"HTTP/1.1 200")
        slow.sendall(b"GET /pi")
        assert end_of(slow) == (408, "RequestTimeout")


@pytest.mark.parametrize(
    "flood",
    [
        b"".join(b"X-%d: %s\r\n" % (n, b"a" * 50) for n in range(200)),
        b"X-Long: " + b"a" * 100_000,
        b"X-Long: " + b"a" * 5_000 + b"\r\n\r\n",
    ],
    ids=["many", "endless", "long"],
)
def test_header_floods(guarded: RunningServer, flood: bytes) -> None:
    with connect(guarded) as caller:
        caller.sendall(POST + flood)
        assert end_of(caller) == (431, "RequestHeaderFieldsTooLarge")
    assert pings(guarded)


def test_a_long_path_is_a_flood_too(guarded: RunningServer) -> None:
    with connect(guarded) as caller:
        caller.sendall(b"GET /" + b"a" * 5_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n")
        assert end_of(caller) == (431, "RequestHeaderFieldsTooLarge")


def test_a_large_body_is_no_flood(guarded: RunningServer) -> None:
    for size in (4_000, 5_000, 300_000):
        answer = guarded.invoke(bytes(size), "image/png")
        assert (answer.status_code, answer.json()["error"]["type"]) == (400, "BadImage")


@pytest.mark.parametrize(
    "start",
    [
        b"HELLO\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00",                # somebody speaks TLS
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /ping HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n",
        b"GET /ping HTTP/1.1\r\nHost: x\r\nbad header\r\n\r\n",
        b"POST /ping HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n",
        b"GET /\xff\xfe HTTP/1.1\r\nHost: x\r\n\r\n",
    ],
)
def test_what_is_no_http_is_refused_in_our_shape(guarded: RunningServer, start: bytes) -> None:
    with connect(guarded) as caller:
        caller.sendall(start)
        content = caller.recv(65536)
        assert content.split()[1] in (b"400", b"404", b"405")
        assert b'{"error"' in content.replace(b'{"error":', b'{"error"')
    assert pings(guarded)


def test_who_is_still_sending_a_head_that_is_too_large_is_told_so(guarded: RunningServer) -> None:
    with connect(guarded) as caller:
        caller.sendall(POST)
        for _ in range(100):
            caller.sendall(b"X-Long: " + b"a" * 10_000 + b"\r\n")
        assert end_of(caller) == (431, "RequestHeaderFieldsTooLarge")
    assert pings(guarded)


def test_a_trailing_slash_sends_nobody_to_a_host_that_the_caller_named(guarded: RunningServer) -> None:
    with connect(guarded) as caller:
        caller.sendall(b"POST /invocations/ HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n")
        assert end_of(caller) == (404, "NotFound")


@pytest.mark.parametrize("offer", ["Upgrade: h2c", "UPGRADE: websocket"])
def test_an_offer_of_another_protocol_is_passed_over_and_the_body_is_read(guarded, picture, offer: str) -> None:
    """Java's client sends it with each request."""
    body = picture()
    lines = f"Connection: Upgrade, HTTP2-Settings\r\n{offer}\r\nHTTP2-Settings: AAEAAEAA\r\nContent-Length: {len(body)}"
    with connect(guarded) as caller:
        for _ in range(2):
            caller.sendall(POST + lines.encode() + b"\r\n\r\n" + body)
            assert caller.recv(65536).startswith(b"HTTP/1.1 200")


def test_a_body_may_be_told_of_in_pieces_or_not_at_all(guarded: RunningServer, picture) -> None:
    body = picture()
    with connect(guarded) as caller:
        caller.sendall(POST + f"Expect: 100-continue\r\nContent-Length: {len(body)}\r\n\r\n".encode())
        assert caller.recv(65536).startswith(b"HTTP/1.1 100")
        caller.sendall(body)
        assert caller.recv(65536).startswith(b"HTTP/1.1 200")
        caller.sendall(POST + b"Transfer-Encoding: chunked\r\n\r\n")
        for byte in body:
            caller.sendall(b"1\r\n%c\r\n" % byte)
        caller.sendall(b"0\r\n\r\n")
        assert caller.recv(65536).startswith(b"HTTP/1.1 200")


def test_too_many_connections_are_told_so_and_the_others_are_served(start_server, archive) -> None:
    running = start_server(archive, "--connections=20", "--header-seconds=600")
    with contextlib.ExitStack() as open_ones:
        held = [open_ones.enter_context(connect(running)) for _ in range(20)]
        with connect(running) as refused:
            assert end_of(refused) == (503, "ServiceUnavailable")
        for one in held[:19]:
            one.sendall(b"GET /ping HTTP/1.1\r\nHost: x\r\n\r\n")
            assert one.recv(4096).startswith(b"HTTP/1.1 200")
    wait_for(lambda: running.connections() == 0)
    assert pings(running)
