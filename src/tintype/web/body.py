"""The body of a request as it comes, and the whole of a small one."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from typing import Any, final

from tintype.web.faults import AwsFault

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]


@final
class ClientGone(Exception):
    """The client closed the connection before its request was whole. Nobody is left to be answered."""


@final
class Inbound:
    """A `receive` that knows whether the body has come to its end."""

    def __init__(self, receive: Receive, *, is_empty: bool) -> None:
        self._receive = receive
        self.is_over = is_empty

    async def __call__(self) -> MutableMapping[str, Any]:
        """The next event."""
        event = await self._receive()
        if event["type"] == "http.disconnect" or not event.get("more_body", False):
            self.is_over = True
        return event

    async def drain(self, limit_bytes: int) -> None:
        """Take what is left of a body that nobody wants, so that the next request on the connection is not read as
        its end.
        """
        taken = 0
        while not self.is_over and taken < limit_bytes:
            taken += len((await self()).get("body", b""))


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
