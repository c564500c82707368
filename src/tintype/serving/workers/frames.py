"""Messages between a front and its processes: a header of plain JSON and a body of bytes, over a stream socket.

    frame = header length (4 bytes), body length (8 bytes), both big-endian; header; body

Nothing is pickled: the process at the other end has seen bytes that nobody vouches for.
"""

from __future__ import annotations

import json
import socket
import struct
from typing import Any, final

LENGTHS = struct.Struct("!IQ")
MAX_HEADER_BYTES = 1 << 20
MAX_BODY_BYTES = 1 << 32
CHUNK_BYTES = 1 << 18

Json = dict[str, Any]
_ENCODER, _DECODER = json.JSONEncoder(separators=(",", ":")), json.JSONDecoder()


class BrokenFrame(Exception):
    """What came is no frame; the other end is not to be listened to any more."""


def packed(header: Json, body_bytes: int) -> bytes:
    """The bytes of a frame before its body."""
    text = _ENCODER.encode(header).encode()
    return LENGTHS.pack(len(text), body_bytes) + text


def lengths(prefix: bytes | bytearray | memoryview) -> tuple[int, int]:
    """(header bytes, body bytes) that follow the first `LENGTHS.size` bytes. Raises `BrokenFrame`."""
    header, body = LENGTHS.unpack_from(prefix)
    if header > MAX_HEADER_BYTES or body > MAX_BODY_BYTES:
        raise BrokenFrame(f"a frame of {header:,} and {body:,} bytes")
    return header, body


def parsed(text: bytes | bytearray | memoryview) -> Json:
    """The header. Raises `BrokenFrame`."""
    try:
        header = _DECODER.decode(str(text, "utf-8"))        # `loads` would guess the encoding first
    except (ValueError, RecursionError) as error:
        raise BrokenFrame(f"a header that is not JSON: {error}") from error
    if not isinstance(header, dict):
        raise BrokenFrame("a header that is no object")
    return header


@final
class Link:
    """The process's end: one frame after the other, blocking."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection

    def receive(self) -> tuple[Json, bytes] | None:
        """The next frame; None when the front has closed its end."""
        prefix = self._exactly(LENGTHS.size)
        if prefix is None:
            return None
        header_bytes, body_bytes = lengths(prefix)
        header, body = self._exactly(header_bytes), self._exactly(body_bytes)
        if header is None or body is None:
            return None
        return parsed(header), body

    def send(self, header: Json, body: bytes | memoryview = b"") -> None:
        """One frame."""
        start = packed(header, len(body))
        if len(body) < CHUNK_BYTES:
            self._connection.sendall(start + bytes(body))
        else:
            self._connection.sendall(start)
            self._connection.sendall(body)

    def _exactly(self, count: int) -> bytes | None:
        pieces: list[bytes] = []
        while count:
            try:
                piece = self._connection.recv(count, socket.MSG_WAITALL)       # all of it, but for a signal
            except ConnectionError:
                return None
            if not piece:
                return None
            pieces.append(piece)
            count -= len(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)
