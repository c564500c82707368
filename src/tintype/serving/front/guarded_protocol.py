"""HTTP/1.1 for a front, with the limits that uvicorn leaves out: how long and how large a request's head may be, how
many connections there may be; and errors in our one shape.

uvicorn takes its protocol as a class, so this is a subclass of one; it adds checks and changes nothing of what uvicorn
does with a request.
"""

from __future__ import annotations

import asyncio
import json
from http import HTTPStatus
from typing import Any, ClassVar, final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from tintype.serving.settings import ServerSettings


@final
class GuardedProtocol(HttpToolsProtocol):
    """One connection."""

    settings: ClassVar[ServerSettings] = ServerSettings()       # of the whole process; see `guarded`

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._in_head = True
        self._head_bytes = 0
        self._head_timer: asyncio.TimerHandle | None = None
        self._is_refused = False
        self._left_head = False             # in the piece of data that is being looked at

    def connection_made(self, transport: asyncio.Transport) -> None:
        """Called by asyncio."""
        super().connection_made(transport)
        self._watch_head()
        if len(self.connections) > self.settings.connections:
            self._refuse(HTTPStatus.SERVICE_UNAVAILABLE, "there are too many connections; come again shortly")

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by asyncio."""
        self._head_has_come()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Called by asyncio."""
        if self._is_refused:
            return
        if self._in_head:
            self._watch_head()
        self._left_head = False
        super().data_received(data)
        if self._in_head and not self._left_head and not self._is_refused:     # so all of it was part of a head
            self._head_bytes += len(data)
            self._check_head()

    def on_headers_complete(self) -> None:
        """Called by the parser."""
        self._head_bytes += len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)
        self._check_head()
        if self._is_refused:
            return
        self._in_head, self._left_head = False, True
        self._head_has_come()
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Called by the parser."""
        if not self._is_refused:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """Called by the parser."""
        self._in_head, self._left_head, self._head_bytes = True, True, 0
        if not self._is_refused:
            super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """Called by uvicorn for what is no HTTP."""
        self._refuse(HTTPStatus.BAD_REQUEST, "this is no HTTP/1.1 request; see /openapi.json for what can be asked")

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
            large = f"the head of the request has more than {limit:,} bytes; send fewer headers"
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
        self.transport.close()


def guarded(settings: ServerSettings) -> type[GuardedProtocol]:
    """The protocol with the limits of `settings`, for this process."""
    GuardedProtocol.settings = settings
    return GuardedProtocol
