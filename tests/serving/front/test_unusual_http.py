"""What HTTP/1.1 allows and hardly anybody sends. A real server, real sockets."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator

import pytest

from tests.serving.front.test_guarded_protocol import POST, connect, end_of, pings
from tests.serving.running_server import RunningServer, launch

LIMIT_BYTES = 4096
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n"


@pytest.fixture(scope="module")
def server(archive, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    running = launch(archive, tmp_path_factory.mktemp("unusual"), f"--header-limit-bytes={LIMIT_BYTES}")
    yield running
    running.close()
    assert "Traceback" not in running.log.read_text()


def answer_on(caller: socket.socket) -> tuple[int, bytes]:
    """(status, body) of one answer, without waiting for the end of the connection."""
    content = b""
    while b"\r\n\r\n" not in content:
        content += caller.recv(65536)
    answer_head, _, body = content.partition(b"\r\n\r\n")
    fields = dict(line.lower().split(b": ", 1) for line in answer_head.split(b"\r\n")[1:])
    while len(body) < int(fields[b"content-length"]):
        body += caller.recv(65536)
    return int(answer_head.split()[1]), body


def label(body: bytes) -> str:
    return json.loads(body)["predictions"][0]["label"]


def chunks(body: bytes, size: int = 50, extension: bytes = b"") -> bytes:
    pieces = [body[at : at + size] for at in range(0, len(body), size)]
    return b"".join(b"%X%b\r\n%b\r\n" % (len(piece), extension, piece) for piece in pieces)


def test_chunks_may_have_extensions_and_trailers_after_them(server: RunningServer, picture) -> None:
    last = b"000;last\r\nX-Checksum: 1\r\nContent-Type: text/html\r\nAccept: image/png\r\nExpect: 100-continue\r\n\r\n"
    with connect(server) as caller:
        for _ in range(2):
            caller.sendall(CHUNKED + b"\r\n" + chunks(picture(), extension=b';a="b;c";d') + last)
            status, body = answer_on(caller)
            assert (status, label(body)) == (200, "red")
        caller.sendall(POST + b"Content-Length: %d\r\n\r\n%b" % (len(picture()), picture()))
        assert answer_on(caller)[0] == 200              # a trailer is nothing of the next request's


@pytest.mark.parametrize(
    "flood",
    [b"0\r\nX-Long: " + b"a" * 800_000, b"0\r\n" + b"X-Many: a\r\n" * 80_000, b"1;" + b"a" * 800_000],
    ids=["a long trailer", "many trailers", "a long extension"],
)
def test_what_is_after_and_between_chunks_is_bounded_as_a_head_is(server: RunningServer, picture, flood) -> None:
    with connect(server) as caller:
        caller.sendall(CHUNKED + b"\r\n" + chunks(picture()))
        caller.sendall(flood)
        assert end_of(caller) == (431, "RequestHeaderFieldsTooLarge")
    assert pings(server)


@pytest.mark.parametrize(
    ("line", "status"),
    [
        (b"GET http://any.example:80/ping?x=1 HTTP/1.1", 200),
        (b"GET HTTPS://any.example/ping HTTP/1.1", 200),
        (b"GET http://any.example HTTP/1.1", 404),
        (b"GET http://any.example?x=1 HTTP/1.1", 404),
        (b"OPTIONS * HTTP/1.1", 404),
        (b"OPTIONS /invocations HTTP/1.1", 405),
        (b"CONNECT any.example:443 HTTP/1.1", 404),
        (b"TRACE /ping HTTP/1.1", 405),
        (b"PROPFIND / HTTP/1.1", 404),
        (b"GET /%70ing HTTP/1.1", 200),
        (b"GET //ping HTTP/1.1", 404),
        (b"GET /ping HTTP/1.0", 200),
    ],
)
def test_targets_of_every_form(server: RunningServer, line: bytes, status: int) -> None:
    with connect(server) as caller:
        caller.sendall(line + b"\r\nHost: x\r\nConnection: close\r\n\r\n")
        content = b"".join(iter(lambda: caller.recv(65536), b""))
    answer_head, _, body = content.partition(b"\r\n\r\n")
    assert int(answer_head.split()[1]) == status
    assert status == 200 or json.loads(body)["error"]["status"] == status


def test_a_whole_url_is_turned_away_and_let_in_as_a_path_is(server: RunningServer, picture) -> None:
    line = b"POST http://any.example/invocations HTTP/1.1\r\nHost: any.example\r\nContent-Type: image/png\r\n"
    with connect(server) as caller:
        caller.sendall(line + b"Content-Length: %d\r\n\r\n%b" % (len(picture()), picture()))
        assert label(answer_on(caller)[1]) == "red"


@pytest.mark.parametrize("path", ["/ping", "/invocations", "/nothing", "/metrics"])
def test_head_has_no_body(server: RunningServer, path: str) -> None:
    with connect(server) as caller:
        caller.sendall(f"HEAD {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        content = b"".join(iter(lambda: caller.recv(65536), b""))
    assert content.endswith(b"\r\n\r\n")
    assert content.count(b"\r\n\r\n") == 1


def test_who_speaks_http_1_0_is_not_told_to_continue(server: RunningServer, picture) -> None:
    older = POST.replace(b"1.1", b"1.0") + b"Expect: 100-continue\r\nContent-Length: %d\r\n\r\n" % len(picture())
    with connect(server) as caller:
        caller.sendall(older + picture())
        content = b"".join(iter(lambda: caller.recv(65536), b""))
    assert content.startswith(b"HTTP/1.1 200")
    assert label(content.partition(b"\r\n\r\n")[2]) == "red"


def test_who_is_refused_before_he_is_told_to_continue_is_no_failure_of_ours(server: RunningServer) -> None:
    with connect(server) as caller:
        caller.sendall(POST + b"Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\nno chunk\r\n")
        assert end_of(caller) == (400, "BadRequest")
    assert 'tintype_requests_total{status="500"}' not in server.http.get("/metrics").text


def test_a_head_in_pieces_of_one_byte_with_lines_before_it(server: RunningServer, picture) -> None:
    with connect(server) as caller:
        caller.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in b"\r\n" + POST + b"Content-Length: %d\r\n\r\n" % len(picture()):
            caller.sendall(bytes([byte]))
        caller.sendall(picture())
        assert label(answer_on(caller)[1]) == "red"
