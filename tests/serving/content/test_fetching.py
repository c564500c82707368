"""Pictures from URLs: a real server on loopback that the tests allow, and all that must not be reached."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

import pytest

from tintype.errors import InvalidRequest, TooLarge
from tintype.serving.content.fetching import Fetcher, is_public


class Pictures(BaseHTTPRequestHandler):
    """/picture, /large, /slow, /gone, /to?URL (a redirect), /loop."""

    asked: ClassVar[list[tuple[str, str]]] = []

    def do_GET(self) -> None:
        self.asked.append((self.headers["Host"], self.path))
        if self.path.startswith("/to?"):
            self.answer(302, location=self.path[4:])
        elif self.path == "/loop":
            self.answer(301, location="/loop")
        elif self.path == "/slow":
            self.send_response(200)
            self.end_headers()
            with contextlib.suppress(ConnectionError):          # for a minute, or until the other end hangs up
                for _ in range(1200):
                    self.wfile.write(b"a")
                    time.sleep(0.05)
        elif self.path == "/gone":
            self.answer(404)
        else:
            self.answer(200, b"x" * 5000 if self.path == "/large" else b"picture")

    def answer(self, status: int, content: bytes = b"", location: str = "") -> None:
        self.send_response(status)
        if location:
            self.send_header("Location", location)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Pictures)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_port
    server.shutdown()
    server.server_close()


async def resolve(host: str, port: int) -> list[str]:
    """Names for the tests; all but one are this machine."""
    return {"inside.test": ["10.1.2.3"], "both.test": ["93.184.216.34", "127.0.0.1"], "none.test": []}.get(
        host, ["127.0.0.1"]
    )


def fetch(*urls: str, hosts: str = "pictures.test", limit: int = 1000, seconds: float = 5) -> tuple[str, bytes]:
    fetcher = Fetcher(
        hosts.split(","), limit, seconds, resolve=resolve, may_connect=lambda one: one == "127.0.0.1" or is_public(one)
    )
    return asyncio.run(fetcher.fetch(urls))


def test_one_and_several_by_the_name_that_was_asked_for(port: int) -> None:
    assert fetch(f"http://pictures.test:{port}/picture?a=1") == ("application/octet-stream", b"picture")
    assert Pictures.asked[-1] == (f"pictures.test:{port}", "/picture?a=1")
    content_type, body = fetch(f"http://pictures.test:{port}/a", f"http://pictures.test:{port}/b")
    assert content_type == "application/json"
    assert json.loads(body) == {"instances": [base64.b64encode(b"picture").decode()] * 2}
    assert fetch(f"http://pictures.test:{port}/to?/picture")[1] == b"picture"


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("http://other.test:{port}/picture", "not among the hosts"),
        ("http://inside.test:{port}/picture", "not a public one"),
        ("http://both.test:{port}/picture", "could not be fetched|not a public"),
        ("http://none.test:{port}/picture", "not a public one"),
        ("ftp://pictures.test/picture", "only plain http"),
        ("file:///etc/passwd", "only plain http"),
        ("http://user:secret@pictures.test:{port}/picture", "only plain http"),
        ("http://pictures.test:99999/", "no URL"),
        ("http://[::1/", "no URL"),
        ("nonsense", "only plain http"),
        ("http://pictures.test:{port}/gone", "answers 404"),
        ("http://pictures.test:{port}/loop", "redirected more than 3"),
        ("http://pictures.test:{port}/to?http://inside.test/", "not among the hosts"),
        ("http://pictures.test:{port}/to?file:///etc/passwd", "only plain http"),
        ("http://pictures.test:1/picture", "could not be fetched"),
        ("https://pictures.test:{port}/picture", "could not be fetched"),
    ],
)
def test_what_is_not_fetched(port: int, url: str, message: str) -> None:
    hosts = "pictures.test,inside.test,none.test" if "to?" not in url and "other" not in url else "pictures.test"
    with pytest.raises(InvalidRequest, match=message):
        fetch(url.replace("{port}", str(port)), hosts=hosts + ",both.test")


def test_a_redirect_into_the_network_is_checked_when_any_host_may_be_asked(port: int) -> None:
    with pytest.raises(InvalidRequest, match="not a public one"):
        fetch(f"http://pictures.test:{port}/to?http://inside.test/", hosts="*")


def test_size_and_time_have_an_end(port: int) -> None:
    with pytest.raises(TooLarge):
        fetch(f"http://pictures.test:{port}/large")
    with pytest.raises(TooLarge):
        fetch(*[f"http://pictures.test:{port}/large"] * 3, limit=12_000)
    started = time.monotonic()
    with pytest.raises(InvalidRequest, match=r"within 0\.3 s|took too long"):
        fetch(f"http://pictures.test:{port}/slow", seconds=0.3)
    assert time.monotonic() - started < 30


def test_without_hosts_nothing_is_fetched(port: int) -> None:
    before = len(Pictures.asked)
    with pytest.raises(InvalidRequest, match="fetches nothing"):
        fetch(f"http://pictures.test:{port}/picture", hosts="")
    assert len(Pictures.asked) == before


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1",
        "255.255.255.255", "::1", "::", "fe80::1%eth0", "fd00::1", "ff02::1", "::ffff:127.0.0.1", "::ffff:a9fe:a9fe",
        "64:ff9b::7f00:1", "2002:7f00:1::", "2001:db8::1",
    ],
)  # fmt: skip
def test_addresses_that_are_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", ["93.184.216.34", "2606:2800:220:1::1", "::ffff:93.184.216.34"])
def test_addresses_that_are(address: str) -> None:
    assert is_public(address)
