"""The content encoding `aws-chunked`: a body in chunks, each perhaps signed, with headers after its end.

https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html. This is the layer below HTTP's own chunks: each
is `<length in hex>[;chunk-signature=<hex>]\\r\\n<data>\\r\\n`, the last is of length 0, and then come trailers, of
which one may be a checksum and one the signature of the others.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import final

from tintype.web.faults import AwsFault
from tintype.web.signature import ALGORITHM, Claim

SIGNED = frozenset({"STREAMING-AWS4-HMAC-SHA256-PAYLOAD", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"})
STREAMING = SIGNED | {"STREAMING-UNSIGNED-PAYLOAD-TRAILER"}
LONGEST_LINE = 4096
MOST_TRAILERS = 16
HEAD = re.compile(rb"([0-9a-fA-F]{1,8})(?:;chunk-signature=([0-9a-f]{64}))?")
EMPTY_SHA256 = hashlib.sha256().hexdigest()


@final
@dataclass
class ChunkSignatures:
    """The chain of signatures: each chunk's covers the one before."""

    claim: Claim
    key: bytes                  # the signing key of the claim
    previous: str = ""

    def __post_init__(self) -> None:
        self.previous = self.previous or self.claim.signature

    def check_chunk(self, signature: str, digest: str) -> None:
        """Raises `AwsFault` unless the signature is of data with this SHA-256."""
        self._check(signature, f"{ALGORITHM}-PAYLOAD", f"{EMPTY_SHA256}\n{digest}")

    def check_trailer(self, signature: str, digest: str) -> None:
        """Raises `AwsFault` unless the signature is of trailers with this SHA-256."""
        self._check(signature, f"{ALGORITHM}-TRAILER", digest)

    def _check(self, signature: str, kind: str, rest: str) -> None:
        text = f"{kind}\n{self.claim.moment}\n{self.claim.scope}\n{self.previous}\n{rest}"
        expected = hmac.digest(self.key, text.encode(), "sha256").hex()
        if not hmac.compare_digest(expected.encode(), signature.encode("utf-8", "replace")):
            raise AwsFault(
                "SignatureDoesNotMatch", "The signature of a chunk does not match what was sent; send it again.", 403
            )
        self.previous = expected


@final
@dataclass
class ChunkedBody:
    """The data of an `aws-chunked` body; `trailers` is complete when the data has ended."""

    source: AsyncIterator[bytes]
    signatures: ChunkSignatures | None          # None: the chunks are not signed
    trailers: dict[str, str] = field(default_factory=dict)
    _buffer: bytearray = field(default_factory=bytearray, repr=False)

    async def data(self) -> AsyncIterator[bytes]:
        """The data in pieces. Raises `AwsFault` for a framing that is none, a wrong signature, or a body that ends
        early.
        """
        while True:
            length, signature = _head(await self._line())
            digest = hashlib.sha256()
            async for piece in self._exactly(length):
                if self.signatures is not None:
                    digest.update(piece)
                yield piece
            if self.signatures is not None:
                self.signatures.check_chunk(signature, digest.hexdigest())
            if length == 0:
                break
            if await self._line():
                raise incomplete()
        await self._read_trailers()
        async for _ in self.source:             # nothing should come; if it does it is of no consequence
            pass

    async def _read_trailers(self) -> None:
        signed = ""
        for _ in range(MOST_TRAILERS):
            line = await self._line(may_end=True)
            if not line:
                break
            name, _, value = line.decode("latin-1").partition(":")
            self.trailers[name.strip().lower()] = value.strip()
            if name.strip().lower() != "x-amz-trailer-signature":
                signed += f"{name.strip().lower()}:{value.strip()}\n"
        if self.signatures is not None and signed:
            digest = hashlib.sha256(signed.encode()).hexdigest()
            self.signatures.check_trailer(self.trailers.get("x-amz-trailer-signature", ""), digest)

    async def _line(self, *, may_end: bool = False) -> bytes:
        while (end := self._buffer.find(b"\r\n", 0, LONGEST_LINE)) < 0:
            if len(self._buffer) >= LONGEST_LINE:
                raise incomplete()
            if not await self._more():
                if may_end and not self._buffer:
                    return b""
                raise incomplete()
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 2]
        return line

    async def _exactly(self, length: int) -> AsyncIterator[bytes]:
        while length:
            if not self._buffer and not await self._more():
                raise incomplete()
            piece = bytes(self._buffer[:length])
            del self._buffer[: len(piece)]
            length -= len(piece)
            yield piece

    async def _more(self) -> bool:
        async for piece in self.source:
            self._buffer += piece
            return True
        return False


def incomplete() -> AwsFault:
    """What S3 says to a body that is not framed as it says, or is shorter."""
    return AwsFault(
        "IncompleteBody", "The request body terminated unexpectedly, or is not in chunks as x-amz-content-sha256 says."
    )


def _head(line: bytes) -> tuple[int, str]:
    found = HEAD.fullmatch(line)
    if not found:
        raise incomplete()
    return int(found[1], 16), (found[2] or b"").decode()
