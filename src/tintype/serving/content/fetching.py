"""Pictures fetched from URLs on a caller's behalf: off unless hosts are named, and never from inside the network.

A name is resolved once, every address it has must be public, and the connection goes to the address that was checked.
Each redirect is checked like a first URL. Size, time and the number of redirects are bounded.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import http.client
import ipaddress
import json
import socket
import ssl
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import final
from urllib.parse import SplitResult, urljoin, urlsplit

from tintype.errors import InvalidRequest, TooLarge
from tintype.serving.content.accept import JSON
from tintype.serving.settings import ServerSettings

ANY_HOST = "*"
PORTS = {"http": 80, "https": 443}
REDIRECTS = 3
MOVED = {301, 302, 303, 307, 308}
CHUNK_BYTES = 1 << 16
OCTETS = "application/octet-stream"

Resolve = Callable[[str, int], Awaitable[list[str]]]


async def addresses(host: str, port: int) -> list[str]:
    """All addresses of a host. Raises `OSError` when it has none."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(one[4][0]) for one in found]


def is_public(address: str) -> bool:
    """True for an address of the internet at large, also when it is wrapped in an IPv6 one."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour or (ip.teredo and ip.teredo[1]) or _nat64(ip)
        if inner:
            return is_public(str(inner))
    return ip.is_global and not ip.is_multicast


def _nat64(ip: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    inside = ip in ipaddress.ip_network("64:ff9b::/96")
    return ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF) if inside else None


@final
class Fetcher:
    """Gets pictures, within limits."""

    def __init__(
        self,
        hosts: Sequence[str],
        limit_bytes: int,
        seconds: float,
        *,
        resolve: Resolve = addresses,
        may_connect: Callable[[str], bool] = is_public,
    ) -> None:
        """`hosts` may be fetched from ('*' is any); `limit_bytes` and `seconds` are for all pictures of a request.
        `resolve` and `may_connect` are for tests."""
        self._hosts = frozenset(host.strip().lower() for host in hosts if host.strip())
        self._limit_bytes = limit_bytes
        self._seconds = seconds
        self._resolve = resolve
        self._may_connect = may_connect

    @classmethod
    def of(cls, settings: ServerSettings) -> Fetcher:
        """As a server's settings say."""
        return cls(settings.url_hosts.split(","), settings.body_limit_bytes, settings.url_seconds)

    async def fetch(self, urls: Sequence[str]) -> tuple[str, bytes]:
        """The pictures at `urls` as one body and its content type.

        Raises `InvalidRequest` for a URL that may not be fetched or could not be, `TooLarge` over the limit.
        """
        if not self._hosts:
            raise InvalidRequest("the body has a URL, and this server fetches nothing; send the picture itself")
        left, contents = self._limit_bytes, list[bytes]()
        deadline = time.monotonic() + self._seconds
        try:
            async with asyncio.timeout(self._seconds):
                for url in urls:
                    contents.append(await self._follow(url, left, deadline))
                    left -= len(contents[-1])
        except TimeoutError as error:
            raise InvalidRequest(f"the pictures could not be fetched within {self._seconds:g} s") from error
        if len(contents) == 1:
            return OCTETS, contents[0]
        encoded = [base64.b64encode(one).decode() for one in contents]
        return JSON, json.dumps({"instances": encoded}).encode()

    async def _follow(self, url: str, left: int, deadline: float) -> bytes:
        for _ in range(REDIRECTS + 1):
            port, address = await self._checked(url)
            try:
                found = await asyncio.to_thread(_get, urlsplit(url), port, address, left, deadline)
            except (http.client.HTTPException, OSError, ValueError) as error:
                reason = str(error)[:200] or type(error).__name__
                raise InvalidRequest(f"{_shown(url)} could not be fetched: {reason}") from error
            if isinstance(found, bytes):
                return found
            url = urljoin(url, found)
        raise InvalidRequest(f"{_shown(url)} is redirected more than {REDIRECTS} times")

    async def _checked(self, url: str) -> tuple[int, str]:
        """(port, the address to connect to) of a URL that may be fetched."""
        try:
            parts = urlsplit(url)
            host, port = (parts.hostname or "").lower(), parts.port or PORTS.get(parts.scheme, 0)
        except ValueError as error:
            raise InvalidRequest(f"{_shown(url)} is no URL: {error}") from error
        if parts.scheme not in PORTS or not host or parts.username is not None:
            raise InvalidRequest(f"{_shown(url)} is not fetched: only plain http and https URLs are")
        if ANY_HOST not in self._hosts and host not in self._hosts:
            raise InvalidRequest(f"{host} is not among the hosts that this server fetches from")
        try:
            found = await self._resolve(host, port)
        except OSError as error:
            raise InvalidRequest(f"{host} is not known: {error.strerror or error}") from error
        if not found or not all(map(self._may_connect, found)):
            raise InvalidRequest(f"{host} is not fetched from: its address is not a public one")
        return port, found[0]


def _get(url: SplitResult, port: int, address: str, left: int, deadline: float) -> bytes | str:
    """The content at `url`, asked of `address`, or the place that it has moved to. Blocks until `deadline`."""
    host = url.hostname or ""
    connection = http.client.HTTPConnection(host, port)
    with contextlib.ExitStack() as stack:
        stream = stack.enter_context(socket.create_connection((address, port), _seconds_until(deadline)))
        if url.scheme == "https":
            context = ssl.create_default_context()
            stream = stack.enter_context(context.wrap_socket(stream, server_hostname=host))
        connection.sock = stream        # so that it does not look the name up again
        path = (url.path or "/") + (f"?{url.query}" if url.query else "")
        connection.request("GET", path, headers={"Accept": "image/*", "User-Agent": "tintype"})
        answer = stack.enter_context(connection.getresponse())
        if answer.status in MOVED:
            return answer.headers.get("Location", "")
        if answer.status != http.client.OK:
            raise InvalidRequest(f"{_shown(url.geturl())} could not be fetched: it answers {answer.status}")
        content = bytearray()
        while chunk := answer.read1(CHUNK_BYTES):
            content += chunk
            if len(content) > left:
                raise TooLarge(f"{_shown(url.geturl())} is larger than what is left of the limit, {left:,} bytes")
            stream.settimeout(_seconds_until(deadline))
        return bytes(content)


def _seconds_until(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError("it took too long")
    return left


def _shown(url: str) -> str:
    return repr(url if len(url) <= 100 else f"{url[:100]}...")
