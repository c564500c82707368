"""A streaming body onto the disk: a megabyte at a time, with its sums made in threads, and checked against what was
signed.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import AsyncIterator
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import final

from tintype.web.faults import AwsFault
from tintype.web.message import Request
from tintype.web.s3.checksums import ALGORITHMS, HEADERS
from tintype.web.s3.chunked import STREAMING, ChunkedBody, ChunkSignatures, incomplete
from tintype.web.s3.lane import Lane
from tintype.web.s3.spooled import Spool, Spooled
from tintype.web.signature import HEX_SHA256, UNSIGNED

BLOCK_BYTES = 1 << 20
SMALL_BYTES = 1 << 16           # hashed and written at once: less than it costs to ask a thread


@final
@dataclass(frozen=True)
class Intake:
    """How the body of a request comes: what it must hash to, and whether it is in chunks of S3's own."""

    payload_hash: str                       # the header x-amz-content-sha256
    signatures: ChunkSignatures | None      # of the chunks, when they are signed

    async def take(self, request: Request, stream: AsyncIterator[bytes], spool: Spool, threads: Executor) -> Spooled:
        """All of the body. Raises `AwsFault` when it is not what the client said it is, `ClientGone`,
        `StorageFailed`.
        """
        chunked = ChunkedBody(stream, self.signatures) if self.payload_hash in STREAMING else None
        await _fill(spool, chunked.data() if chunked else stream, threads)
        found = spool.finish(_expected(request, chunked.trailers if chunked else {}))
        self._check(request, found)
        return found

    def _check(self, request: Request, found: Spooled) -> None:
        if found.sha256 and self.payload_hash not in (found.sha256, UNSIGNED) and self.payload_hash not in STREAMING:
            raise mismatch()
        length = request.header("x-amz-decoded-content-length")
        if length and length != str(found.size):
            raise incomplete()
        if request.header("content-md5"):
            _check_md5(request.header("content-md5"), found.md5)
        for name, value in found.expected.items():
            if found.checksums[name] != value:
                raise AwsFault("BadDigest", f"The {name} you specified did not match the calculated checksum.")


def wanted_sums(request: Request) -> set[str]:
    """The checksums that the client sends, in a header or after the body, or names. Raises `AwsFault` for others."""
    found = {HEADERS[name] for name in request.headers if name in HEADERS}
    for name in request.header("x-amz-trailer").lower().split(","):
        if name.strip().startswith("x-amz-checksum-"):
            found.add(_known(name.strip().removeprefix("x-amz-checksum-")))
    named = request.header("x-amz-sdk-checksum-algorithm")
    return found | ({_known(named)} if named else set())


def _known(name: str) -> str:
    if name.upper() not in ALGORITHMS:
        raise AwsFault("InvalidRequest", f"The checksum {name!r} is not known here; {', '.join(ALGORITHMS)} are.")
    return name.upper()


async def _fill(spool: Spool, data: AsyncIterator[bytes], threads: Executor) -> None:
    lanes = (Lane(spool.write, threads), Lane(spool.add_to_md5, threads))
    gathered: list[bytes] = []
    size, blocks = 0, 0
    try:
        async for piece in data:
            gathered.append(piece)
            size += len(piece)
            if size >= BLOCK_BYTES:             # the next block comes in while this one is written
                block = b"".join(gathered)
                gathered, size, blocks = [], 0, blocks + 1
                for lane in lanes:
                    await lane.put(block)
        rest = b"".join(gathered)
        if not blocks and len(rest) <= SMALL_BYTES:
            spool.write(rest)
            spool.add_to_md5(rest)
            return
        for lane in lanes:
            await lane.put(rest)
        for lane in lanes:
            await lane.finish()
    finally:
        for lane in lanes:                      # nobody may close the file under a thread
            await lane.abandon()


def _expected(request: Request, trailers: dict[str, str]) -> dict[str, str]:
    said = {**trailers, **request.headers}
    return {name: said[header] for header, name in HEADERS.items() if header in said}


def _check_md5(said: str, computed: bytes) -> None:
    try:
        digest = base64.b64decode(said, validate=True)
    except (binascii.Error, ValueError):
        digest = b""
    if len(digest) != len(computed):
        raise AwsFault("InvalidDigest", "The Content-MD5 you specified is not valid.")
    if digest != computed:
        raise AwsFault("BadDigest", "The Content-MD5 you specified did not match what we received.")


def mismatch() -> AwsFault:
    """What S3 says to a body that is not the one that was signed."""
    message = "The provided 'x-amz-content-sha256' header does not match what was computed."
    return AwsFault("XAmzContentSHA256Mismatch", message)


def check_payload_hash(payload_hash: str) -> None:
    """Raises `AwsFault` for a header x-amz-content-sha256 that is none of those there are."""
    if not (HEX_SHA256.fullmatch(payload_hash) or payload_hash == UNSIGNED or payload_hash in STREAMING):
        raise AwsFault(
            "InvalidArgument",
            f"x-amz-content-sha256 must be {UNSIGNED}, {', '.join(sorted(STREAMING))} or a valid sha256 value.",
        )
