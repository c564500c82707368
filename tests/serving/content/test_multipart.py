"""multipart/form-data: several pictures, and bodies that are malformed."""

from __future__ import annotations

import contextlib

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tintype.errors import InvalidRequest, TooLarge
from tintype.serving.content.multipart import read_multipart

TYPE = "multipart/form-data; boundary=abc"


HEAD = b'Content-Disposition: form-data; name="a"'


def body(*parts: bytes, end: bytes = b"--abc--\r\n", head: bytes = HEAD) -> bytes:
    return b"".join(b"--abc\r\n" + head + b"\r\n\r\n" + one + b"\r\n" for one in parts) + end


def test_what_clients_send_is_read_in_order() -> None:
    contents = [b"one", b"\r\n--ab\r\n two", bytes(100_000)]
    request = httpx.Request("POST", "http://x", files=[("image", (f"{n}.jpg", one)) for n, one in enumerate(contents)])
    found = read_multipart(request.read(), request.headers["content-type"])
    assert [one.content for one in found] == contents
    quoted = read_multipart(body(b"x", b"y"), 'multipart/form-data; boundary="abc"')
    assert [one.content for one in quoted] == [b"x", b"y"]
    for preamble in (b"\r\n", b"This is a message\r\nin several parts.\r\n", b"--ab\r\n"):
        assert [one.content for one in read_multipart(preamble + body(b"x", b"y"), TYPE)] == [b"x", b"y"]
    assert [one.content for one in read_multipart(body(b"x") + b"an epilogue", TYPE)] == [b"x"]


@pytest.mark.parametrize(
    ("content", "content_type", "message"),
    [
        (body(b"x"), "multipart/form-data", "boundary"),
        (body(b"x"), "multipart/form-data; boundary=", "boundary"),
        (body(b"x"), "multipart/form-data; boundary=" + "a" * 71, "boundary"),
        (body(b"x"), "multipart/form-data; boundary=a\tb", "boundary"),
        (body(b"x"), "multipart/form-data; boundary=other", "malformed"),
        (body(b"x", end=b""), TYPE, "truncated"),
        (body(b"x")[:-6], TYPE, "truncated"),
        (b"--abc--\r\n", TYPE, "malformed|no parts"),
        (b"nothing of the kind", TYPE, "malformed"),
        (body(b"x", head=b"no colon here"), TYPE, "malformed"),
        (body(b"x", head=b"A: " + b"a" * 10_000), TYPE, "Maximum header size"),
    ],
)
def test_bodies_that_are_refused(content: bytes, content_type: str, message: str) -> None:
    with pytest.raises(InvalidRequest, match=message):
        read_multipart(content, content_type)


def test_parts_are_counted() -> None:
    with pytest.raises(TooLarge, match="1,000 parts"):
        read_multipart(body(*[b"x"] * 1001), TYPE)


@given(st.binary(max_size=300), st.sampled_from([TYPE, "multipart/form-data; boundary=-", "multipart/form-data; x"]))
def test_anything_is_read_or_refused(content: bytes, content_type: str) -> None:
    with contextlib.suppress(InvalidRequest):
        read_multipart(b"--abc\r\n" + content, content_type)
