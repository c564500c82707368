"""The body of a request as it comes, and the whole of a small one."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from typing import Any, final

from tintype.web.faults import AwsFault

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]


@final
class ClientGone(Exception):
    """The client closed the connection before its request was whole. Nobody is left to be answered."""


async def pieces(receive: Receive) -> AsyncIterator[bytes]:
    """The pieces of a body as they come. Raises `ClientGone`."""
    more = True
    while more:
        event = await receive()
        if event["type"] == "http.disconnect":
            raise ClientGone
        if piece := event.get("body", b""):
            yield piece
        more = event.get("more_body", False)


async def whole(stream: AsyncIterator[bytes], limit_bytes: int) -> bytes:
    """All of a body. Raises `AwsFault` when it is over the limit, `ClientGone`."""
    found = bytearray()
    async for piece in stream:
        found += piece
        if len(found) > limit_bytes:
            raise AwsFault("RequestEntityTooLargeException", f"The request is larger than {limit_bytes:,} bytes.", 413)
    return bytes(found)
