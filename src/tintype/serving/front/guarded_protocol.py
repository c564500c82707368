"""HTTP/1.1 for a front, with the limits that uvicorn leaves out: how long a request's head may take, how large it and
what is between and after the parts of its body may be, how many connections there may be, who is turned away by the
head alone; and errors in our one shape.

An answer may be there before the body of its request is. The rest of the body is then read and thrown away for
`LINGER_SECONDS`, whether the connection is to be closed or not: hanging up on somebody who is still sending makes the
kernel take the answer back, and most clients then report a broken connection instead of a 429 or a 413.

uvicorn takes its protocol as a class, so this is a subclass of one; it adds checks and changes nothing of what uvicorn
does with a request, but that the application hears of a body in larger pieces: each piece is a turn of the event loop.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections import deque
from collections.abc import Callable
from functools import partial
from http import HTTPStatus
from typing import Any, ClassVar, cast, final

from starlette.responses import Response
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from tintype.serving.front.caller import EXTENSION, Caller
from tintype.serving.front.door import Door
from tintype.serving.settings import ServerSettings

LINGER_SECONDS = 5.0
LINGER_BYTES = 1024**2              # of a body that is thrown away for the sake of a connection that stays open
ANSWER, CONTINUE = b"HTTP/1.", b"HTTP/1.1 100"
UPGRADE, NO_UPGRADE = b"\r\nupgrade:", b"\r\nx-asked:"
PIECE_BYTES = 256 * 1024            # of a body that the application is told of at once: most photographs are smaller
WHOLE_URL = re.compile(rb"[a-z][a-z0-9+.-]*://[^/?#]*(.*)", re.IGNORECASE | re.DOTALL)


@final
class GuardedProtocol(HttpToolsProtocol):
    """One connection."""

    settings: ClassVar[ServerSettings] = ServerSettings()       # of the whole process; see `guarded`
    door: ClassVar[Door | None] = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._in_head = True
        self._head_bytes = 0
        self._head_timer: asyncio.TimerHandle | None = None
        self._unanswered: deque[tuple[RequestResponseCycle, Caller]] = deque()      # in their order
        self._is_refused = False
        self._has_moved = False             # from one part of a request to the next, in the data being looked at
        self._is_turned_away = False        # the request whose body is coming now
        self._is_ending = False             # the connection, once that body is here
        self._linger_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:
        """Called by asyncio."""
        super().connection_made(transport)
        self._watch_head()
        if len(self.connections) > self.settings.connections:
            self._refuse(HTTPStatus.SERVICE_UNAVAILABLE, "there are too many connections; come again shortly")

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by asyncio."""
        self._head_has_come()
        self._linger_no_more()
        super().connection_lost(exc)
        self._hang_up()

    def data_received(self, data: bytes) -> None:
        """Called by asyncio."""
        if self._is_refused:
            return
        if self._in_head:
            self._watch_head()
            data = without_upgrade(data)
        self._has_moved = False
        super().data_received(data)
        if not self._has_moved and not self._is_refused:        # all of it is one head's, trailer's or chunk's
            self._head_bytes += len(data)
            self._check_head()

    def on_headers_complete(self) -> None:
        """Called by the parser."""
        self._head_bytes += len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)
        self._check_head()
        if self._is_refused:
            return
        self._in_head, self._has_moved = False, True
        self._head_has_come()
        assert self.parser is not None  # noqa: S101 - it is calling
        self.url = origin_form(self.url)
        if self.expect_100_continue and self.parser.get_http_version() == "1.0":
            self.expect_100_continue = False        # who speaks that knows of no such answer
        caller = Caller(self.headers)
        if self.door is not None and (self.cycle is None or self.cycle.response_complete):      # else it is pipelined
            answer = self.door.refusal(self.parser.get_method(), self.url, caller, self.client)
            if answer is not None:
                self._turn_away(answer, self.parser.should_keep_alive())
                return
        self.scope["extensions"] = {EXTENSION: caller}      # pyright: ignore[reportGeneralTypeIssues]
        super().on_headers_complete()
        answering = _Answering(self.transport, self._end)
        self.cycle.transport = cast(asyncio.Transport, answering)
        self.cycle.on_response = partial(self._answered, answering)
        self._unanswered.append((self.cycle, caller))
        if self.pipeline:
            self._read_on()

    def on_body(self, body: bytes) -> None:
        """Called by the parser."""
        self._has_moved, self._head_bytes = True, 0
        if self._is_refused or self._is_turned_away:
            return
        cycle = self.cycle
        if cycle.response_complete:
            self._linger()
            return
        if not cycle.body:
            cycle.body = body               # pyright: ignore[reportAttributeAccessIssue]  (bytes: they are not copied)
        elif isinstance(cycle.body, bytes):
            cycle.body = bytearray(cycle.body + body)
        else:
            cycle.body += body
        if len(cycle.body) >= PIECE_BYTES:
            self.flow.pause_reading()
            cycle.message_event.set()

    def on_message_complete(self) -> None:
        """Called by the parser."""
        self._in_head, self._has_moved, self._head_bytes = True, True, 0
        if self._is_refused:
            return
        self._linger_no_more()
        if self._is_ending:
            self.transport.close()
        elif self._is_turned_away:
            self._is_turned_away = False
            self._keep_alive()
        else:
            super().on_message_complete()
            if self.cycle.response_complete:
                self._keep_alive()
            else:
                self._unanswered[-1][1].has_sent_all = True
                self._read_on()

    def send_400_response(self, msg: str) -> None:
        """Called by uvicorn for what is no HTTP."""
        self._refuse(HTTPStatus.BAD_REQUEST, "this is no HTTP/1.1 request; see /openapi.json for what can be asked")

    def _turn_away(self, answer: Response, stays: bool) -> None:
        """Answer a request of which only the head is here; `stays`: the caller would like to send more."""
        self._is_turned_away = True
        headers = dict(self.headers)
        length = headers.get(b"content-length", b"")
        is_short = length.isdigit() and int(length[:20]) <= LINGER_BYTES
        if not stays or not is_short or self.expect_100_continue:   # who was told to wait may never send the body
            answer.headers["connection"] = "close"
            self._is_ending = True
        fields = [*self.server_state.default_headers, *answer.raw_headers]
        lines = b"".join(b"%b: %b\r\n" % field for field in fields)
        self.transport.write(b"%b%b\r\n%b" % (STATUS_LINE[answer.status_code], lines, answer.body))
        self._linger()

    def _answered(self, answering: _Answering) -> None:
        answering.flush()
        self._unanswered.popleft()
        self.on_response_complete()

    def _read_on(self) -> None:
        """Whatever else may come, the end of the connection is to be heard; unless too much is here that has its turn
        later."""
        if sum(len(cycle.body) + self.settings.header_limit_bytes for cycle, _ in self.pipeline) < PIECE_BYTES:
            self.flow.resume_reading()

    def _end(self) -> None:
        """The answer is written, and the connection is to be closed: now, or when the rest of the body is here."""
        if self._in_head:
            self.transport.close()
        else:
            self._is_ending = True
            self._linger()

    def _linger(self) -> None:
        if self._linger_timer is None:
            self._linger_timer = self.loop.call_later(LINGER_SECONDS, self.transport.close)

    def _linger_no_more(self) -> None:
        if self._linger_timer is not None:
            self._linger_timer.cancel()
        self._linger_timer = None

    def _keep_alive(self) -> None:
        """Wait for another request, as long as uvicorn waits for one after an answer."""
        self._unset_keepalive_if_required()
        self.timeout_keep_alive_task = self.loop.call_later(self.timeout_keep_alive, self.timeout_keep_alive_handler)

    def _watch_head(self) -> None:
        if self._head_timer is None:
            self._head_timer = self.loop.call_later(self.settings.header_seconds, self._head_is_late)

    def _head_has_come(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
        self._head_timer = None

    def _head_is_late(self) -> None:
        self._head_timer = None
        late = f"the head of the request did not arrive within {self.settings.header_seconds:g} s"
        self._refuse(HTTPStatus.REQUEST_TIMEOUT, late)

    def _check_head(self) -> None:
        limit = self.settings.header_limit_bytes
        if self._head_bytes > limit:
            large = f"the headers of the request have more than {limit:,} bytes; send fewer"
            self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, large)

    def _refuse(self, status: HTTPStatus, message: str) -> None:
        if self._is_refused or self.transport.is_closing():
            return
        self._is_refused = True
        kind = status.phrase.title().replace(" ", "")
        content = json.dumps({"error": {"status": status, "type": kind, "message": message}}).encode()
        head = f"HTTP/1.1 {status.value} {status.phrase}\r\ncontent-type: application/json\r\n"
        retry = "retry-after: 1\r\n" if status is HTTPStatus.SERVICE_UNAVAILABLE else ""
        end = f"content-length: {len(content)}\r\nconnection: close\r\n{retry}\r\n"
        self.transport.write((head + end).encode() + content)
        if status is HTTPStatus.SERVICE_UNAVAILABLE:        # it takes somebody else's place
            self.transport.close()
        else:
            self._hang_up()
            self.transport.write_eof()
            self._linger()

    def _hang_up(self) -> None:
        """Whoever is being answered, or has his turn later, is gone."""
        for cycle, caller in self._unanswered:
            cycle.disconnected, cycle.waiting_for_100_continue = True, False        # nothing is written to him any more
            cycle.message_event.set()
            caller.hangs_up()

    def _unsupported_upgrade_warning(self) -> None:
        """uvicorn would advise the log, after each CONNECT, to install WebSockets."""


def origin_form(target: bytes) -> bytes:
    """The path and the query that are asked for: of a whole URL, which any client may send, those in it; of `*` and of
    CONNECT's authority, /."""
    if target.startswith(b"/"):
        return target
    found = WHOLE_URL.fullmatch(target)
    path = found[1] if found else b""
    return path if path.startswith(b"/") else b"/" + path


def without_upgrade(data: bytes) -> bytes:
    """The same piece of a head with its Upgrade renamed. We stay with HTTP/1.1, as a server may; but the parser would
    leave the body away, and Java's client offers HTTP/2 in this way with each POST."""
    end = data.find(b"\r\n\r\n")
    head = data if end < 0 else data[:end]
    at = head.lower().find(UPGRADE)
    return data if at < 0 else data[:at] + NO_UPGRADE + data[at + len(UPGRADE) :]


@final
class _Answering:
    """A transport as uvicorn's cycle of one request sees it. The head of an answer goes out with the first of its body:
    one packet, and the caller wakes up once. What closes it is told to `end` instead."""

    def __init__(self, transport: asyncio.Transport, end: Callable[[], None]) -> None:
        self._write = transport.write
        self._end = end
        self._head = b""
        self.is_closing = transport.is_closing

    def write(self, data: bytes) -> None:
        """Called by the cycle: the head, then the body."""
        if self._head:
            data, self._head = self._head + data, b""
        elif data.startswith(ANSWER) and not data.startswith(CONTINUE):
            self._head = data
            return
        self._write(data)

    def flush(self) -> None:
        """There is no body."""
        if self._head:
            self._write(self._head)
            self._head = b""

    def close(self) -> None:
        """Called by the cycle."""
        self.flush()
        self._end()


def guarded(settings: ServerSettings, door: Door | None = None) -> type[GuardedProtocol]:
    """The protocol with the limits of `settings` and that `door`, for this process."""
    GuardedProtocol.settings, GuardedProtocol.door = settings, door
    return GuardedProtocol
