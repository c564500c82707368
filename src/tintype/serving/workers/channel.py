"""The front's end of a `frames.Link`: questions go out, answers come back in the same order."""

from __future__ import annotations

import asyncio
import socket
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import cast, final

from tintype.serving.workers.frames import LENGTHS, BrokenFrame, Json, lengths, packed, parsed


class Lost(Exception):
    """The process at the other end has gone, or talks nonsense; what it was asked will not be answered."""


Answer = tuple[Json, bytes]
Then = Callable[[Answer | Lost], None]      # what is done with an answer, or with the news that there will be none


@final
class Channel(asyncio.Protocol):
    """A connection to one process. `ask` may be called again before the first answer came."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._buffer = bytearray()
        self._waiting: deque[Then] = deque()
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

    def ask(self, header: Json, body: bytes = b"") -> asyncio.Future[Answer]:
        """Send a question; the future is its answer. It fails with `Lost` when the process goes first."""
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self.ask_then(header, body, partial(_settle, answer))
        return answer

    def ask_then(self, header: Json, body: bytes, then: Then) -> None:
        """Send a question; `then` gets its answer the moment that it comes, which saves a turn of the event loop."""
        if self._transport is None or self.closed.done():
            asyncio.get_running_loop().call_soon(then, Lost("the process has gone"))
            return
        self._is_new = False
        self._waiting.append(then)
        start = packed(header, len(body))
        if body:
            self._transport.writelines([start, body])
        else:
            self._transport.write(start)

    def expect(self) -> asyncio.Future[Answer]:
        """The next frame that comes without having been asked for, such as the first one of a new process.

        That one may have come before, and its process may have ended since.
        """
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        then = partial(_settle, answer)
        self._is_new = False
        self._waiting.append(then)
        self._take()
        if self.closed.done() and not answer.done():
            self._waiting.remove(then)
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
        """Called by asyncio: whoever still waits learns that nothing will come, after those who asked for `closed`."""
        if not self.closed.done():
            self.closed.set_result(None)
        loop = asyncio.get_running_loop()
        while self._waiting:
            loop.call_soon(self._waiting.popleft(), Lost("the process ended before it answered"))

    def _take(self) -> None:
        try:
            while self._take_one():
                pass
        except BrokenFrame:
            self.close()

    def _take_one(self) -> bool:
        buffer = self._buffer
        if len(buffer) < LENGTHS.size:
            return False
        header_bytes, body_bytes = lengths(buffer)
        body_at = LENGTHS.size + header_bytes
        end = body_at + body_bytes
        if len(buffer) < end:
            return False
        header = parsed(buffer[LENGTHS.size : body_at])
        if not self._waiting and self._is_new and end == len(buffer):
            return False                # a new process may say its first word, and no more, before anybody listens
        with memoryview(buffer) as view:
            body = bytes(view[body_at:end])
        del buffer[:end]
        if not self._waiting:
            raise BrokenFrame("an answer to no question")
        self._waiting.popleft()((header, body))
        return True


def _settle(future: asyncio.Future[Answer], answer: Answer | Lost) -> None:
    if future.done():
        return
    if isinstance(answer, Lost):
        future.set_exception(answer)
        future.exception()                  # seen: whoever asked may have gone away meanwhile
    else:
        future.set_result(answer)
