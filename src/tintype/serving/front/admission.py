"""Who is let in, and with how much: the token, the bounded queue, the size and the pace of a body, and its gzip."""

from __future__ import annotations

import asyncio
import gzip
import hmac
import math
import re
import time
import zlib
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from typing import final
from urllib.parse import urlsplit

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import Receive

from tintype.errors import Busy, InvalidRequest, TooLarge, Unauthorised, Unsupported
from tintype.serving.front.caller import Caller
from tintype.serving.front.listening import is_loopback

SCHEME = "bearer "
RETRY_AFTER_SECONDS = 1.0
IDENTITY, GZIP = "identity", ("gzip", "x-gzip")
GZIP_HEADER = 16            # zlib: the stream has gzip's header
ECHOED = 100                # characters of what a caller has sent, in what is said about it
WORTH_BYTES = 1024          # shorter answers stay as they are
QUICK = 1                   # of the levels 1 to 9
REMEMBERED, ENOUGH = 128, 16  # requests that have left, for how fast they do; fewer tell nothing
COMING_SECONDS = 1.0        # for so long a place is kept for somebody whose body is still on its way


@final
class Queue:
    """How many requests are inside, at work or waiting, and how soon they leave. One event loop uses it."""

    def __init__(self, capacity: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.capacity = capacity
        self.inside = 0
        self._clock = clock
        self._left: deque[float] = deque(maxlen=REMEMBERED)     # when the last ones left, since it was last empty

    def check(self, seconds: float, coming: int = 0) -> None:
        """`Busy` (429) for whoever would find no place, or would not be answered within so many seconds.

        `coming` counts those who have been told to come in and are not inside yet.
        """
        before = self.inside + coming
        if before >= self.capacity:
            raise Busy(f"all {self.capacity} places of the queue are taken; send it again shortly", RETRY_AFTER_SECONDS)
        if before and (wait := before * self._pace) > max(seconds, 0):
            late = f"the {before} requests before this one take about {wait:.1f} s, and it has {max(seconds, 0):.1f} s"
            raise Busy(f"{late}; send it again shortly, or give it longer", RETRY_AFTER_SECONDS)

    def admit(self, seconds: float = math.inf) -> Place:
        """A place for as long as a block lasts; `Busy` as `check` says."""
        self.check(seconds)
        return Place(self)

    def leave(self, is_answered: bool) -> None:
        """Somebody inside has gone."""
        self.inside -= 1
        if is_answered:
            self._left.append(self._clock())
        if not self.inside:
            self._left.clear()                  # a pause says nothing of how long a request takes

    @property
    def _pace(self) -> float:
        """Seconds from one that leaves to the next; 0 while that is not known."""
        left = self._left
        return (left[-1] - left[0]) / (len(left) - 1) if len(left) >= ENOUGH else 0.0


@final
class Place:
    """One of a queue's, taken by `with`. A class, as a generator would take longer than what it is for."""

    def __init__(self, queue: Queue) -> None:
        self._queue = queue

    def __enter__(self) -> None:
        self._queue.inside += 1

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: object) -> None:
        self._queue.leave(is_answered=kind is None)


@final
class Coming:
    """Those who have been let in and whose bodies are on their way. One event loop uses it.

    Without them a hundred would be told to send their photographs for one place. Who takes long to send keeps no place
    for it, so that slow senders cannot shut the door.
    """

    def __init__(self) -> None:
        self.count = 0

    @contextmanager
    def one(self) -> Iterator[None]:
        """Counted for as long as the block lasts, or `COMING_SECONDS`."""
        self.count += 1
        is_counted = True

        def forget() -> None:
            nonlocal is_counted
            self.count -= is_counted
            is_counted = False

        timer = asyncio.get_running_loop().call_later(COMING_SECONDS, forget)
        try:
            yield
        finally:
            timer.cancel()
            forget()


@final
class Room:
    """The memory that bodies take until they are answered. One event loop uses it."""

    def __init__(self, total_bytes: int) -> None:
        self.total_bytes = total_bytes
        self.taken_bytes = 0

    def share(self) -> Share:
        """One body's, for as long as a block lasts."""
        return Share(self)


@final
class Share:
    """What one body takes of a room. `with` it comes a function that takes bytes, all given back at the end of the
    block; it raises `Busy` (429) for too many."""

    def __init__(self, room: Room) -> None:
        self._room = room
        self._bytes = 0

    def __enter__(self) -> Callable[[int], None]:
        return self._take

    def __exit__(self, *_: object) -> None:
        self._room.taken_bytes -= self._bytes

    def _take(self, count: int) -> None:
        room = self._room
        if room.taken_bytes + count > room.total_bytes:
            raise Busy("the bodies of other requests take all the memory there is for them", RETRY_AFTER_SECONDS)
        room.taken_bytes += count
        self._bytes += count


def check_token(authorization: str | None, token: str | None) -> None:
    """`Unauthorised` (401) unless the header carries the token, compared in constant time; None lets everybody in."""
    if token is None:
        return
    given = authorization or ""
    sent = given[len(SCHEME) :].strip() if given.lower().startswith(SCHEME) else ""
    if not hmac.compare_digest(sent.encode(errors="replace"), token.encode()):
        raise Unauthorised("this endpoint needs its token; send the header 'Authorization: Bearer <token>'")


def check_site(headers: Mapping[str, str]) -> None:
    """403 for what a browser sends on behalf of a page from elsewhere: a stranger's page may not use this model."""
    if is_foreign(headers) or headers.get("sec-fetch-site") == "cross-site":
        raise HTTPException(HTTPStatus.FORBIDDEN, "a page from another site may not ask here; ask from a program")


def check_name(headers: Mapping[str, str]) -> None:
    """403 for a browser's page that came by a name which is not this machine's: a stranger may have pointed his own
    name here, and then it looks like the server's own page. For servers without a token."""
    if "origin" in headers and not is_loopback(host_named(headers)):
        name = host_named(headers)[:ECHOED]
        raise HTTPException(HTTPStatus.FORBIDDEN, f"{name!r} is not this machine; open the page at 127.0.0.1")


def is_foreign(headers: Mapping[str, str]) -> bool:
    """A browser sends it for a page that came from another host than is asked."""
    origin = headers.get("origin")
    return origin is not None and origin.partition("://")[2] != headers.get("host")


def host_named(headers: Mapping[str, str]) -> str:
    """By which name or address the server was asked, without the port; "" when that cannot be told."""
    try:
        return urlsplit(f"//{headers.get('host', '')}").hostname or ""
    except ValueError:                  # brackets around what is no IPv6 address
        return ""


async def read_body(
    caller: Caller, receive: Receive, limit_bytes: int, limit_seconds: float, take: Callable[[int], None]
) -> bytes:
    """The caller's body, decompressed. `TooLarge` (413) as soon as it is known to be, 408 when it comes too slowly.

    `take` is told of every piece, see `Room.share`. gzip is undone piece by piece, and the limit is for what comes out:
    a bomb is refused after `limit_bytes` of it.
    """
    encoding = caller.headers.get("content-encoding", "").strip().lower() or IDENTITY
    if encoding not in (IDENTITY, *GZIP):
        raise Unsupported(f"bodies encoded as {encoding[:ECHOED]!r} are not read; send the picture as it is, or gzip")
    declared = caller.headers.get("content-length", "")
    if declared.isdecimal() and int(declared[:20]) > limit_bytes:
        raise _too_large(limit_bytes)
    inflater = Inflater(limit_bytes) if encoding in GZIP else None
    if caller.has_sent_all:                     # as good as always: the clock need not be set
        return await _read(receive, limit_bytes, inflater, take)
    try:
        async with asyncio.timeout(limit_seconds):
            return await _read(receive, limit_bytes, inflater, take)
    except TimeoutError as error:
        late = f"the body did not arrive within {limit_seconds:g} s; send it again on a better line"
        raise HTTPException(HTTPStatus.REQUEST_TIMEOUT, late) from error


async def _read(
    receive: Receive, limit_bytes: int, inflater: Inflater | None, take: Callable[[int], None]
) -> bytes:
    chunks: list[bytes] = []
    size, more = 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        chunk, more = message.get("body", b""), message.get("more_body", False)
        content = inflater.feed(chunk) if inflater else chunk
        size += len(content)
        if size > limit_bytes:
            raise _too_large(limit_bytes)
        take(len(content))
        chunks.append(content)
    if inflater:
        inflater.finish()
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)


@final
class Inflater:
    """Undoes gzip, a piece at a time, and never makes more than it may."""

    def __init__(self, limit_bytes: int) -> None:
        self._stream = zlib.decompressobj(zlib.MAX_WBITS | GZIP_HEADER)
        self._limit_bytes = limit_bytes
        self._left = limit_bytes
        self._begun = False

    def feed(self, chunk: bytes) -> bytes:
        """What a piece of the body stands for. `TooLarge` over the limit, `InvalidRequest` for what is no gzip."""
        if not chunk:
            return b""
        self._begun = True
        try:
            content = self._stream.decompress(chunk, self._left + 1)
        except zlib.error as error:
            raise InvalidRequest(f"the body is no gzip: {error}; send it again, or send it as it is") from error
        self._left -= len(content)
        if self._left < 0:
            raise _too_large(self._limit_bytes)
        if self._stream.unused_data:
            raise InvalidRequest("the body goes on after the end of its gzip stream; send one stream")
        return content

    def finish(self) -> None:
        """The body has ended. `InvalidRequest` when its gzip stream has not."""
        if self._begun and not self._stream.eof:
            raise InvalidRequest("the gzip stream of the body is truncated; send all of it")


def compressed(content: bytes, accept_encoding: str | None) -> bytes | None:
    """An answer's gzip when the caller reads it and it is worth it, else None. Equal content gives equal bytes."""
    if len(content) < WORTH_BYTES or not _takes_gzip(accept_encoding or ""):
        return None
    return gzip.compress(content, QUICK, mtime=0)


def _takes_gzip(header: str) -> bool:
    for part in header.lower().split(","):
        name, _, parameters = part.partition(";")
        if name.strip() in GZIP:
            return not re.fullmatch(r"\s*q\s*=\s*0(\.0*)?\s*", parameters)
    return False


def _too_large(limit_bytes: int) -> TooLarge:
    return TooLarge(f"the body has more than {limit_bytes:,} bytes, the limit; send a smaller picture")
