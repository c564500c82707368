"""Who may see the pages: whoever has the link that the server printed.

The link's token becomes a cookie that no script can read and no other site can send. Requests must name a host that the
server is meant to have, so that a page elsewhere cannot reach it by pointing its own name at this machine; what changes
something must come from a page of ours.
"""

from __future__ import annotations

import contextlib
import hmac
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import final
from urllib.parse import urlsplit

from tintype.errors import InvalidRequest, Unauthorised
from tintype.storage import storage_errors

COOKIE = "tintype-pages"
TOKEN_BYTES = 32
LOOPBACK_NAMES = frozenset({"127.0.0.1", "localhost", "::1"})


@final
@dataclass(frozen=True)
class Session:
    """The token of a home's pages, and the names of the server that are believed."""

    token: str
    hosts: frozenset[str] = LOOPBACK_NAMES

    def check(self, headers: Mapping[str, str], cookies: Mapping[str, str]) -> None:
        """Raise `Unauthorised` or `InvalidRequest` for a request that may not see the pages."""
        self.check_host(headers)
        if not self.matches(cookies.get(COOKIE, "")):
            raise Unauthorised("open the link that `tintype server` printed: it signs this browser in")

    def check_host(self, headers: Mapping[str, str]) -> None:
        """Raise `InvalidRequest` for a request that was sent to another name than ours."""
        host = urlsplit(f"//{headers.get('host', '')}").hostname or ""
        if host not in self.hosts:
            raise InvalidRequest(f"this server is not {host!r}; use {', '.join(sorted(self.hosts))}")

    def check_origin(self, headers: Mapping[str, str]) -> None:
        """Raise `InvalidRequest` for a change that another site asks for. A browser always says who asks."""
        origin = urlsplit(headers.get("origin", ""))
        if not origin.netloc or origin.netloc != headers.get("host"):
            raise InvalidRequest("no page of this server asked for this change; reload the page and try again")

    def matches(self, token: str) -> bool:
        """Whether it is the token, in a time that does not tell how much of it is right."""
        return hmac.compare_digest(token.encode(), self.token.encode())


def open_session(path: Path, hosts: frozenset[str] = LOOPBACK_NAMES) -> Session:
    """The session whose token is kept in the file, which is made with mode 0600 when there is none."""
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileExistsError), open(path, "x", opener=_private) as stream:
            stream.write(secrets.token_urlsafe(TOKEN_BYTES))
        token = path.read_text().strip()
    if len(token) < TOKEN_BYTES:
        raise InvalidRequest(f"{path} holds no token; delete it, and start the server again")
    return Session(token, hosts)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
