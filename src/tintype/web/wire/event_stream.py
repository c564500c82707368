"""AWS's event stream: messages of headers and a payload, each with its lengths and two CRC32.

https://docs.aws.amazon.com/AmazonS3/latest/API/RESTSelectObjectAppendix.html. Numbers are big-endian.
"""

from __future__ import annotations

import struct
import zlib
from typing import Any

from botocore.model import StructureShape

from tintype.web.faults import AwsFault
from tintype.web.wire.json_protocol import encode
from tintype.web.wire.json_values import to_json

TEXT = 7                    # the type of a header whose value is a string


def event(shape: StructureShape, name: str, members: dict[str, Any]) -> bytes:
    """One event: its payload is the member that is marked so, as bytes, or else JSON."""
    for key, member in shape.members.items():
        if member.serialization.get("eventpayload"):
            headers = {":event-type": name, ":content-type": "application/octet-stream", ":message-type": "event"}
            return message(headers, members.get(key, b""))
    headers = {":event-type": name, ":content-type": "application/json", ":message-type": "event"}
    return message(headers, encode(to_json(shape, members)))


def exception(fault: AwsFault) -> bytes:
    """The event that says that it ends badly."""
    headers = {":exception-type": fault.code, ":content-type": "application/json", ":message-type": "exception"}
    return message(headers, encode({"Message": fault.message, **fault.members}))


def message(headers: dict[str, str], payload: bytes) -> bytes:
    """The bytes of a message."""
    head = b"".join(_header(name, value) for name, value in headers.items())
    prelude = struct.pack(">II", 16 + len(head) + len(payload), len(head))
    start = prelude + struct.pack(">I", zlib.crc32(prelude)) + head + payload
    return start + struct.pack(">I", zlib.crc32(start))


def _header(name: str, value: str) -> bytes:
    text = value.encode()
    return bytes([len(name)]) + name.encode() + bytes([TEXT]) + struct.pack(">H", len(text)) + text
