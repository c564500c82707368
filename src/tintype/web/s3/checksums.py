"""The checksums that a client may send with an object, and S3 gives back: base64 of big-endian numbers or of
digests.
"""

from __future__ import annotations

import base64
import hashlib
import zlib
from collections.abc import Callable
from typing import Any, Protocol, final

import google_crc32c

from tintype.web.s3.crc64 import Crc64


class Hash(Protocol):
    """What `hashlib` gives, as far as it is needed."""

    def update(self, data: bytes, /) -> object:
        """Take in more."""
        ...

    def digest(self) -> bytes:
        """The checksum of all so far."""
        ...


@final
class Crc32:
    """zlib's."""

    def __init__(self) -> None:
        self._value = 0

    def update(self, data: bytes, /) -> None:
        """Take in more."""
        self._value = zlib.crc32(data, self._value)

    def digest(self) -> bytes:
        """Four bytes."""
        return self._value.to_bytes(4)


@final
class Crc32c:
    """Castagnoli's, as the processor has it."""

    def __init__(self) -> None:
        self._value = 0

    def update(self, data: bytes, /) -> None:
        """Take in more."""
        self._value = google_crc32c.extend(self._value, bytes(data))

    def digest(self) -> bytes:
        """Four bytes."""
        return self._value.to_bytes(4)


ALGORITHMS: dict[str, Callable[[], Hash | Any]] = {
    "CRC32": Crc32,
    "CRC32C": Crc32c,
    "CRC64NVME": Crc64,
    "SHA1": hashlib.sha1,
    "SHA256": hashlib.sha256,
}
HEADERS = {f"x-amz-checksum-{name.lower()}": name for name in ALGORITHMS}
MEMBERS = {name: f"Checksum{name}" for name in ALGORITHMS}


def text(digest: bytes) -> str:
    """As headers have it."""
    return base64.b64encode(digest).decode()
