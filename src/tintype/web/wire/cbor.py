"""CBOR (RFC 8949), as much of it as Smithy's protocol has: no tags but 1, which is a time."""

from __future__ import annotations

import struct
from datetime import datetime
from typing import Any, final

from tintype.web.wire import moments
from tintype.web.wire.json_values import malformed

DEEPEST = 64
FLOATS = {25: (">e", 2), 26: (">f", 4), 27: (">d", 8)}
SIMPLE = {20: False, 21: True, 22: None, 23: None}
INDEFINITE, BREAK = 31, object()


def decode(data: bytes) -> Any:
    """One item and nothing after it. Raises `AwsFault` for what is none."""
    reader = _Reader(data)
    try:
        found = reader.item(0)
    except (IndexError, struct.error, ValueError, OverflowError, TypeError) as error:
        raise malformed("The request body is not CBOR.") from error
    if found is BREAK or reader.position != len(data):
        raise malformed("The request body is not CBOR.")
    return found


def encode(value: Any) -> bytes:
    """A value made of dicts, lists, text, bytes, numbers, booleans, None and aware datetimes."""
    if value is None or isinstance(value, bool):
        return bytes([0xF6 if value is None else 0xF5 if value else 0xF4])
    if isinstance(value, int):
        return _head(0, value) if value >= 0 else _head(1, -1 - value)
    if isinstance(value, float):
        return b"\xfb" + struct.pack(">d", value)
    if isinstance(value, datetime):
        return b"\xc1" + encode(moments.to_epoch(value))
    if isinstance(value, bytes):
        return _head(2, len(value)) + value
    if isinstance(value, str):
        text = value.encode()
        return _head(3, len(text)) + text
    if isinstance(value, dict):
        return _head(5, len(value)) + b"".join(encode(key) + encode(one) for key, one in value.items())
    return _head(4, len(value)) + b"".join(map(encode, value))


def _head(kind: int, number: int) -> bytes:
    if number < 24:
        return bytes([kind << 5 | number])
    for extra, size in ((24, 1), (25, 2), (26, 4), (27, 8)):
        if number < 1 << (8 * size):
            return bytes([kind << 5 | extra]) + number.to_bytes(size)
    raise OverflowError(number)


@final
class _Reader:
    def __init__(self, data: bytes) -> None:
        self._data = data
        self.position = 0

    def item(self, depth: int) -> Any:
        if depth > DEEPEST:
            raise ValueError("too deep")
        head = self._data[self.position]
        self.position += 1
        kind, extra = head >> 5, head & 31
        if kind == 7:
            return self._simple(extra)
        if extra == INDEFINITE:
            return self._indefinite(kind, depth)
        number = self._number(extra)
        if kind < 2:
            return number if kind == 0 else -1 - number
        if kind < 4:
            return self._bytes(number) if kind == 2 else self._bytes(number).decode()
        if kind == 4:
            return [self.item(depth + 1) for _ in range(self._at_most(number))]
        if kind == 5:
            return {self._key(depth): self.item(depth + 1) for _ in range(self._at_most(number))}
        value = self.item(depth + 1)
        return moments.from_epoch(value) if number == 1 else value

    def _simple(self, extra: int) -> Any:
        if extra in FLOATS:
            form, size = FLOATS[extra]
            return struct.unpack(form, self._bytes(size))[0]
        if extra == INDEFINITE:
            return BREAK
        if extra not in SIMPLE:
            raise ValueError(extra)
        return SIMPLE[extra]

    def _indefinite(self, kind: int, depth: int) -> Any:
        found: list[Any] = []
        while (one := self.item(depth + 1)) is not BREAK:
            found.append((one, self._valued(depth)) if kind == 5 else one)
        if kind in (2, 3):
            return (b"" if kind == 2 else "").join(found)
        if kind == 4:
            return found
        if kind == 5:
            return dict(found)
        raise ValueError(kind)

    def _valued(self, depth: int) -> Any:
        value = self.item(depth + 1)
        if value is BREAK:
            raise ValueError("a key without a value")
        return value

    def _key(self, depth: int) -> str:
        key = self.item(depth + 1)
        if not isinstance(key, str):
            raise ValueError("a key that is no text")
        return key

    def _number(self, extra: int) -> int:
        if extra < 24:
            return extra
        if extra > 27:
            raise ValueError(extra)
        return int.from_bytes(self._bytes(1 << (extra - 24)))

    def _bytes(self, size: int) -> bytes:
        found = self._data[self.position : self.position + size]
        if len(found) != size:
            raise ValueError("it ends early")
        self.position += size
        return found

    def _at_most(self, number: int) -> int:
        if number > len(self._data):
            raise ValueError("more items than bytes")
        return number

