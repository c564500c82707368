"""A listening socket, or an error that says why there is none."""

from __future__ import annotations

import errno
import ipaddress
import socket

from tintype.errors import InvalidRequest

BACKLOG = 1024
LOOPBACK_NAMES = ("localhost",)
REASONS = {
    errno.EADDRINUSE: "the port is taken; choose another, or 0 for a free one",
    errno.EACCES: "the port is reserved for the administrator; choose one above 1023",
    errno.EADDRNOTAVAIL: "this machine has no such address",
}


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens on `host` and `port` (0: a free one). `InvalidRequest` says what is wrong with them."""
    if not 0 <= port <= 65535:
        raise InvalidRequest(f"a port is a number from 0 to 65535, got {port}")
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0][0]
        return socket.create_server((host, port), family=family, backlog=BACKLOG)
    except UnicodeError as error:               # a part of the name is empty or too long
        raise InvalidRequest(f"cannot listen on {host[:100]!r}: this is no name of a machine") from error
    except OSError as error:
        reason = REASONS.get(error.errno or 0, error.strerror or str(error))
        raise InvalidRequest(f"cannot listen on {host} port {port}: {reason}") from error


def address_of(listener: socket.socket) -> tuple[str, int]:
    """(host, port) that a socket listens on."""
    host, port = listener.getsockname()[:2]
    return host, port


def is_free(host: str, port: int) -> bool:
    """True when one could listen there now."""
    try:
        listen(host, port).close()
    except InvalidRequest:
        return False
    return True


def url_of(host: str, port: int) -> str:
    """Where a server on this machine is asked; one that listens everywhere is asked on loopback."""
    reachable = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"http://[{reachable}]:{port}" if ":" in reachable else f"http://{reachable}:{port}"


def is_loopback(host: str) -> bool:
    """True when only this machine can reach a server on `host`."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() in LOOPBACK_NAMES


def check_exposure(host: str, token: str | None) -> None:
    """`InvalidRequest` when others could reach `host` and no token would stop them."""
    if not token and not is_loopback(host):
        raise InvalidRequest(
            f"{host} can be reached from other machines, so a token is needed; give one, or serve on 127.0.0.1"
        )
