"""The framing `aws-chunked`: read however it is cut, refused when it is wrong, its signatures checked."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import zlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.web.running import Running
from tintype.web.faults import AwsFault
from tintype.web.keys import KeyPair
from tintype.web.s3.chunked import EMPTY_SHA256, ChunkedBody, ChunkSignatures
from tintype.web.signature import Claim, signing_key


def framed(chunks: list[bytes], trailers: dict[str, str] | None = None) -> bytes:
    body = b"".join(b"%x\r\n%s\r\n" % (len(one), one) for one in chunks if one)
    return body + b"0\r\n" + b"".join(f"{k}:{v}\r\n".encode() for k, v in (trailers or {}).items()) + b"\r\n"


async def cut(data: bytes, sizes: list[int]) -> AsyncIterator[bytes]:
    position = 0
    for size in sizes:
        if data[position : position + size]:
            yield data[position : position + size]
        position += size
    if data[position:]:
        yield data[position:]


def read(data: bytes, sizes: list[int], signatures: ChunkSignatures | None = None) -> tuple[bytes, dict[str, str]]:
    async def go() -> tuple[bytes, dict[str, str]]:
        body = ChunkedBody(cut(data, sizes), signatures)
        found = b"".join([piece async for piece in body.data()])
        return found, body.trailers

    return asyncio.run(go())


@given(chunks=st.lists(st.binary(max_size=40), max_size=5), sizes=st.lists(st.integers(1, 9), max_size=30))
def test_it_is_read_however_it_is_cut(chunks: list[bytes], sizes: list[int]) -> None:
    trailers = {"x-amz-checksum-crc32": "AAAA"}
    assert read(framed(chunks, trailers), sizes) == (b"".join(chunks), trailers)
    assert read(framed(chunks), sizes) == (b"".join(chunks), {})


@given(data=st.binary(max_size=200), sizes=st.lists(st.integers(1, 9), max_size=10))
def test_anything_else_is_refused_or_read(data: bytes, sizes: list[int]) -> None:
    try:
        read(data, sizes)
    except AwsFault as fault:
        assert fault.status == 400  # noqa: PT017


@given(st.data())
def test_a_body_that_ends_early_is_refused(data: st.DataObject) -> None:
    whole = framed([b"abc" * 20, b"defg"], {"x-amz-checksum-crc32": "AAAA"})
    end = data.draw(st.integers(0, whole.index(b"0\r\nx-amz") + 2))
    with pytest.raises(AwsFault, match="terminated unexpectedly"):
        read(whole[:end], [7] * 40)


CLAIM = Claim("AKID", "20260131T120000Z", "us-east-1", "s3", ("host",), "ab" * 32, None)
KEY = signing_key("secret", CLAIM)


def chunk_signatures(claim: Claim, key: bytes, chunks: list[bytes]) -> list[str]:
    """As a client makes them, written down from AWS's description."""
    found, previous = [], claim.signature
    for one in [*chunks, b""]:
        text = "\n".join(
            (
                "AWS4-HMAC-SHA256-PAYLOAD",
                claim.moment,
                claim.scope,
                previous,
                EMPTY_SHA256,
                hashlib.sha256(one).hexdigest(),
            )
        )
        previous = hmac.digest(key, text.encode(), "sha256").hex()
        found.append(previous)
    return found


def signed(claim: Claim, key: bytes, chunks: list[bytes], trailer: str = "") -> bytes:
    signatures = chunk_signatures(claim, key, chunks)
    body = b"".join(
        b"%x;chunk-signature=%s\r\n%s" % (len(one), signature.encode(), one + b"\r\n" if one else b"")
        for one, signature in zip([*chunks, b""], signatures, strict=True)
    )
    if not trailer:
        return body + b"\r\n"
    text = f"AWS4-HMAC-SHA256-TRAILER\n{claim.moment}\n{claim.scope}\n{signatures[-1]}\n"
    text += hashlib.sha256(f"{trailer}\n".encode()).hexdigest()
    own = hmac.digest(key, text.encode(), "sha256").hex()
    return body + f"{trailer}\r\nx-amz-trailer-signature:{own}\r\n\r\n".encode()


def test_signed_chunks_are_checked() -> None:
    body = signed(CLAIM, KEY, [b"one" * 30, b"two"], "x-amz-checksum-crc32:AAAA")
    assert read(body, [11] * 30, ChunkSignatures(CLAIM, KEY))[0] == b"one" * 30 + b"two"
    for changed in (body.replace(b"two", b"TWO"), body.replace(b"AAAA", b"BBBB"), body.replace(b"one", b"0ne", 1)):
        with pytest.raises(AwsFault, match="signature of a chunk"):
            read(changed, [11] * 30, ChunkSignatures(CLAIM, KEY))
    plain = framed([b"one"])
    with pytest.raises(AwsFault, match="signature of a chunk"):
        read(plain, [99], ChunkSignatures(CLAIM, KEY))


def send(server: Running, bucket: str, kind: str, make: Any, headers: dict[str, str]) -> Any:
    """A PUT in chunks: its headers are signed first, as the first chunk is signed with their signature."""
    now = datetime.now(UTC)
    target = f"/{bucket}/k"
    signed_headers = server.signed("PUT", target, payload_hash=kind, headers=headers, now=now)
    signature = signed_headers["authorization"].rsplit("=", 1)[1]
    claim = Claim(server.key.access_key_id, now.strftime("%Y%m%dT%H%M%SZ"), "us-east-1", "s3", (), signature, None)
    return server.send("PUT", target, signed_headers, make(claim, signing_key(server.key.secret_access_key, claim)))


def test_a_signed_stream_becomes_an_object(server: Running, s3: Any, bucket: str) -> None:
    chunks = [b"x" * 70_000, b"y" * 1000]
    headers = {"x-amz-decoded-content-length": "71000", "content-encoding": "aws-chunked,gzip"}
    kind = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
    answer = send(server, bucket, kind, lambda claim, key: signed(claim, key, chunks), headers)
    assert answer.status == 200, answer.body
    found = s3.get_object(Bucket=bucket, Key="k")
    assert (found["Body"].read(), found["ContentEncoding"]) == (b"".join(chunks), "gzip")
    short = send(server, bucket, kind, lambda claim, key: signed(claim, key, chunks[:1]), headers)
    assert (short.status, b"IncompleteBody" in short.body) == (400, True)
    wrong = KeyPair("AKIA", "other")
    forged = send(
        server,
        bucket,
        kind,
        lambda claim, _: signed(claim, signing_key(wrong.secret_access_key, claim), chunks),
        headers,
    )
    assert (forged.status, b"SignatureDoesNotMatch" in forged.body) == (403, True)


@pytest.mark.parametrize(("crc", "status"), [(zlib.crc32(b"hello"), 200), (zlib.crc32(b"other"), 400)])
def test_a_checksum_after_the_body(server: Running, s3: Any, bucket: str, crc: int, status: int) -> None:
    """As boto3 sends it over TLS."""
    text = base64.b64encode(crc.to_bytes(4)).decode()
    headers = {
        "x-amz-decoded-content-length": "5",
        "x-amz-trailer": "x-amz-checksum-crc32",
        "content-encoding": "aws-chunked",
    }
    kind = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
    body = framed([b"hello"], {"x-amz-checksum-crc32": text})
    answer = send(server, bucket, kind, lambda *_: body, headers)
    assert answer.status == status, answer.body
    if status == 200:
        found = s3.get_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")
        assert (found["Body"].read(), found["ChecksumCRC32"]) == (b"hello", text)


def test_crc64_as_the_command_line_of_today_sends_it(server: Running, s3: Any, bucket: str) -> None:
    """Known: the sum of "123456789" is ae8b14860a799888."""
    text = base64.b64encode(bytes.fromhex("ae8b14860a799888")).decode()
    for value, status in ((text, 200), (text[::-1], 400)):
        answer = server.ask("PUT", f"/{bucket}/k", b"123456789", headers={"x-amz-checksum-crc64nvme": value})
        assert answer.status == status, answer.body
    assert s3.head_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")["ChecksumCRC64NVME"] == text
