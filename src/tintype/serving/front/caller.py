"""The caller of one request, as the protocol knows him: what he has sent, and whether he is still there.

He goes from the protocol to the application as an extension of the ASGI scope, so that a head is read once, and that
nobody has to listen for the end of a connection.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from typing import Any, TypeVar, final

from starlette.requests import ClientDisconnect
from starlette.types import Scope

EXTENSION = "tintype.caller"
LISTS = (b"accept", b"accept-encoding")     # may be cut into several fields
T = TypeVar("T")


@final
class Caller:
    """Of one request. One event loop uses it."""

    def __init__(self, raw: Sequence[tuple[bytes, bytes]]) -> None:
        """`raw` are the fields of the head with their names in small letters; the first of one name counts, and all of
        those that are lists."""
        self.headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in reversed(raw)}
        if len(self.headers) < len(raw):
            for listed in LISTS:
                if values := [value.decode("latin-1") for name, value in raw if name == listed]:
                    self.headers[listed.decode()] = ", ".join(values)
        self.seconds: float | None = None           # that there are for the answer; None: the door has not looked
        self.has_sent_all = False                   # the whole body is here
        self._is_gone = False
        self._waiting: asyncio.Task[Any] | None = None

    @classmethod
    def of(cls, scope: Scope) -> Caller:
        """Whoever the protocol has put into the scope; without one (a client in a test) somebody who never goes."""
        return scope.get("extensions", {}).get(EXTENSION) or cls(scope["headers"])

    def hangs_up(self) -> None:
        """Called by the protocol: nobody will read the answer."""
        self._is_gone = True
        if self._waiting is not None:
            self._waiting.cancel()

    async def waits_for(self, work: Awaitable[T]) -> T:
        """What comes of the work. When the caller hangs up first it is given up: `ClientDisconnect`."""
        here = asyncio.current_task()
        assert here is not None  # noqa: S101 - this is a coroutine of one
        self._waiting = here
        if self._is_gone:
            here.cancel()
        try:
            return await work
        except asyncio.CancelledError as error:
            if self._is_gone and not here.uncancel():
                raise ClientDisconnect from error
            raise
        finally:
            self._waiting = None
