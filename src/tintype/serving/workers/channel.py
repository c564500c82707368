"""The front's end of a `frames.Link`: questions go out, answers come back in the same order."""

from __future__ import annotations

import asyncio
import socket
from collections import deque
from typing import cast, final

from tintype.serving.workers.frames import LENGTHS, BrokenFrame, Json, lengths, packed, parsed


class Lost(Exception):
    """The process at the other end has gone, or talks nonsense; what it was asked will not be answered."""


@final
class Channel(asyncio.Protocol):
    """A connection to one process. `ask` may be called again before the first answer came."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._buffer = bytearray()
        self._waiting: deque[asyncio.Future[tuple[Json, bytes]]] = deque()
        self._is_new = True             # nobody has asked or expected anything yet
        self.closed: asyncio.Future[None] = loop.create_future()

    @classmethod
    async def over(cls, connection: socket.socket) -> Channel:
        """A channel over a connected socket, which it owns from now on."""
        connection.setblocking(False)
        loop = asyncio.get_running_loop()
        _, protocol = await loop.create_connection(cls, sock=connection)
        return protocol

    @property
    def outstanding(self) -> int:
        """Questions without an answer."""
        return len(self._waiting)

    def ask(self, header: Json, body: bytes = b"") -> asyncio.Future[tuple[Json, bytes]]:
        """Send a question; the future is its answer. It fails with `Lost` when the process goes first."""
        answer: asyncio.Future[tuple[Json, bytes]] = asyncio.get_running_loop().create_future()
        if self._transport is None or self.closed.done():
            answer.set_exception(Lost("the process has gone"))
            return answer
        self._is_new = False
        self._waiting.append(answer)
        start = packed(header, len(body))
        if body:
            self._transport.writelines([start, body])
        else:
            self._transport.write(start)
        return answer

    def expect(self) -> asyncio.Future[tuple[Json, bytes]]:
        """The next frame that comes without having been asked for, such as the first one of a new process.

        That one may have come before, and its process may have ended since.
        """
        answer: asyncio.Future[tuple[Json, bytes]] = asyncio.get_running_loop().create_future()
        self._is_new = False
        self._waiting.append(answer)
        self._take()
        if self.closed.done() and not answer.done():
            self._waiting.remove(answer)
            answer.set_exception(Lost("the process has gone"))
        return answer

    def close(self) -> None:
        """Hang up; the process sees it and ends."""
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by asyncio."""
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Called by asyncio: answers, perhaps in pieces."""
        self._buffer += data
        self._take()

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by asyncio: whoever still waits learns that nothing will come."""
        if not self.closed.done():
            self.closed.set_result(None)
        while self._waiting:
            answer = self._waiting.popleft()
            if not answer.done():
                answer.set_exception(Lost("the process ended before it answered"))
                answer.exception()          # seen: whoever asked may have gone away meanwhile

    def _take(self) -> None:
        try:
            while self._take_one():
                pass
        except BrokenFrame:
            self.close()

    def _take_one(self) -> bool:
        if len(self._buffer) < LENGTHS.size:
            return False
        with memoryview(self._buffer) as view:
            header_bytes, body_bytes = lengths(view[: LENGTHS.size])
            end = LENGTHS.size + header_bytes + body_bytes
            if len(view) < end:
                return False
            header = parsed(view[LENGTHS.size : LENGTHS.size + header_bytes])
            if not self._waiting and self._is_new and end == len(view):
                return False            # a new process may say its first word, and no more, before anybody listens
            body = bytes(view[LENGTHS.size + header_bytes : end])
        del self._buffer[:end]
        if not self._waiting:
            raise BrokenFrame("an answer to no question")
        answer = self._waiting.popleft()
        if not answer.done():
            answer.set_result((header, body))
        return True
