"""The framing of records in an event file: TFRecord's, with smdebug's footer.

    uint64 length (little endian) · uint32 masked CRC32C of these 8 bytes · payload · uint32 footer

TFRecord's footer is the masked CRC32C of the payload. smdebug writes a constant instead (the checksum of the text
`0x12345678`), and its reader refuses the value of a tensor with any other footer; so we write it too, and keep the
true checksum as the last field of the payload, an Event field that smdebug skips: see `event.py`.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any

import google_crc32c
import numpy as np

HEADER_BYTES = 12
FOOTER_BYTES = 4

Buffer = bytes | np.ndarray[Any, Any]       # a flat array of uint8; both can be hashed and written without a copy


def masked(crc: int) -> int:
    """TensorFlow's masking, which keeps a checksum of data that holds checksums from being weak."""
    return (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF


SMDEBUG_FOOTER = masked(google_crc32c.value(b"0x12345678"))


def checksum(buffers: Sequence[Buffer]) -> int:
    """The masked CRC32C of the buffers, one after the other."""
    crc = 0
    for buffer in buffers:
        crc = google_crc32c.extend(crc, buffer)     # type: ignore[arg-type]  (any read-only buffer will do)
    return masked(crc)


SMDEBUG_FOOTER_BYTES = struct.pack("<I", SMDEBUG_FOOTER)
SEAL_BYTES = 6      # the two bytes of the key, then the checksum
SEAL_KEY = b"\xa5\x06"     # protobuf: field 100, four bytes


def header(payload_bytes: int) -> bytes:
    """The 12 bytes before a payload of this length."""
    length = struct.pack("<Q", payload_bytes)
    return length + struct.pack("<I", masked(google_crc32c.value(length)))


def seal(payload: Sequence[Buffer]) -> bytes:
    """The last field of a payload that is otherwise complete: its checksum."""
    return SEAL_KEY + struct.pack("<I", checksum(payload))


def payload_length(head: bytes) -> int | None:
    """The length that a record's 12-byte header gives; None when its checksum is wrong or it is cut short."""
    if len(head) < HEADER_BYTES:
        return None
    length, crc = struct.unpack_from("<QI", head)
    return length if masked(google_crc32c.value(bytes(head[:8]))) == crc else None


def payload_is_whole(payload: Sequence[Buffer], footer: bytes) -> bool:
    """True when the payload is what was written, as far as can be told.

    Our records have a seal (within the last of the buffers), TFRecord's a true footer; those of smdebug have neither,
    and are believed.
    """
    if len(footer) < FOOTER_BYTES:
        return False
    (crc,) = struct.unpack_from("<I", footer)
    if crc != SMDEBUG_FOOTER:
        return crc == checksum(payload)
    *before, last = payload
    end = bytes(last[-SEAL_BYTES:])
    return not end.startswith(SEAL_KEY) or end == seal([*before, last[:-SEAL_BYTES]])
