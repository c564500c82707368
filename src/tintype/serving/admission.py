"""Who is let in, and with how much: the token, the bounded queue, the size and the pace of a body."""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import final

from starlette.exceptions import HTTPException
from starlette.requests import Request

from tintype.errors import Busy, TooLarge, Unauthorised, Unsupported

SCHEME = "bearer "
RETRY_AFTER_SECONDS = 1.0


@final
class Queue:
    """How many requests are inside, at work or waiting. One event loop uses it."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.inside = 0

    @contextmanager
    def admit(self) -> Iterator[None]:
        """A place for as long as the block lasts; `Busy` (429) when there is none."""
        if self.inside >= self.capacity:
            raise Busy(f"all {self.capacity} places of the queue are taken; send it again shortly", RETRY_AFTER_SECONDS)
        self.inside += 1
        try:
            yield
        finally:
            self.inside -= 1


def check_token(authorization: str | None, token: str | None) -> None:
    """`Unauthorised` (401) unless the header carries the token, compared in constant time; None lets everybody in."""
    if token is None:
        return
    given = authorization or ""
    sent = given[len(SCHEME) :].strip() if given.lower().startswith(SCHEME) else ""
    if not hmac.compare_digest(sent.encode(errors="replace"), token.encode()):
        raise Unauthorised("this endpoint needs its token; send the header 'Authorization: Bearer <token>'")


async def read_body(request: Request, limit_bytes: int, limit_seconds: float) -> bytes:
    """The request's body. `TooLarge` (413) as soon as it is known to be, 408 when it comes too slowly."""
    encoding = request.headers.get("content-encoding", "identity").lower()
    if encoding != "identity":
        raise Unsupported(f"bodies encoded as {encoding!r} are not read; send the picture as it is")
    try:
        async with asyncio.timeout(limit_seconds):
            return await _read(request, limit_bytes)
    except TimeoutError as error:
        late = f"the body did not arrive within {limit_seconds:g} s; send it again on a better line"
        raise HTTPException(HTTPStatus.REQUEST_TIMEOUT, late) from error


async def _read(request: Request, limit_bytes: int) -> bytes:
    too_large = TooLarge(f"the body has more than {limit_bytes:,} bytes, the limit; send a smaller picture")
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared[:20]) > limit_bytes:
        raise too_large
    chunks: list[bytes] = []
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > limit_bytes:
            raise too_large
        chunks.append(chunk)
    return b"".join(chunks)
