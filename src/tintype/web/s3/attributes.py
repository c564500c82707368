"""What is known of an object besides its bytes, kept with its file: in an extended attribute, so that both appear as
one.

Where the file system has none, or one is too large, a document in `<home>/s3/.attributes` stands in. Both say of
which file they speak (its size and the time of its last change), so that a file that was put there or changed by hand
is never described by what was said of another. Such a file has a type by its name and an ETag by its size and age, of
the form that says it is no MD5.
"""

from __future__ import annotations

import hashlib
import json
import mimetypes
import os
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self, final

from tintype.storage import write_json

XATTR = "user.tintype.object"
DEFAULT_TYPE = "binary/octet-stream"


@final
@dataclass(frozen=True)
class Attributes:
    """All that a client may be told of an object. Header values are as the client gave them."""

    etag: str                                           # without quotes; `-n` at its end when it is no MD5
    headers: dict[str, str] = field(default_factory=dict)       # names of the model: ContentType, CacheControl, ...
    metadata: dict[str, str] = field(default_factory=dict)      # what came as x-amz-meta-
    checksums: dict[str, str] = field(default_factory=dict)     # algorithm → base64
    tags: dict[str, str] = field(default_factory=dict)
    part_sizes: tuple[int, ...] = ()                    # bytes of the parts of a multipart upload

    @property
    def quoted_etag(self) -> str:
        """As headers and XML have it."""
        return f'"{self.etag}"'

    def to_json(self) -> dict[str, Any]:
        """All fields that say something."""
        return {name: value for name, value in self.__dict__.items() if value}

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> Self:
        """The reverse; raises `KeyError` or `TypeError` when it is something else."""
        return cls(
            str(document["etag"]),
            dict(document.get("headers", {})),
            dict(document.get("metadata", {})),
            dict(document.get("checksums", {})),
            dict(document.get("tags", {})),
            tuple(document.get("part_sizes", ())),
        )


def read(path: Path | str, stat: os.stat_result, aside: Path, descriptor: int | None = None) -> Attributes:
    """Of a file whose `stat` is known. Never fails: what is damaged or of another file counts as absent.

    With the descriptor of the open file it is about that file, even when another has got its name meanwhile.
    """
    with suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
        document = json.loads(_stored(path if descriptor is None else descriptor, stat, aside))
        if document["of"] == _identity(stat):
            return Attributes.from_json(document)
    return guessed(str(path), stat)


def etag(path: str, stat: os.stat_result, aside: Path) -> str:
    """The ETag alone, for lists, in quotes."""
    with suppress(OSError, ValueError, KeyError, TypeError):
        document = json.loads(_stored(path, stat, aside))
        if document["of"] == _identity(stat):
            return f'"{document["etag"]}"'
    return guessed(path, stat).quoted_etag


def guessed(name: str, stat: os.stat_result) -> Attributes:
    """Of a file of which nothing is known but itself."""
    text = f"{stat.st_size}:{stat.st_mtime_ns}:{stat.st_ino}"
    kind = mimetypes.guess_type(name)[0] or DEFAULT_TYPE
    return Attributes(f"{hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()}-1", {"ContentType": kind})


def write(path: Path | int, attributes: Attributes, aside: Path) -> None:
    """Keep them with a file, or the one of a descriptor, that will not change any more; a rename takes them along."""
    stat = os.stat(path)
    document = {"of": _identity(stat), **attributes.to_json()}
    try:
        os.setxattr(path, XATTR, json.dumps(document, separators=(",", ":")).encode())
    except OSError:                 # the file system has none, or no room for one so large
        write_json(_beside(stat, aside), document, durable=False)


def forget(path: Path, aside: Path) -> None:
    """Of a file that is about to be removed: what is kept beside it goes too."""
    with suppress(OSError):
        _beside(path.stat(), aside).unlink()


def _stored(path: Path | str | int, stat: os.stat_result, aside: Path) -> bytes:
    try:
        return os.getxattr(path, XATTR)
    except OSError:
        return _beside(stat, aside).read_bytes()


def _identity(stat: os.stat_result) -> list[int]:
    return [stat.st_size, stat.st_mtime_ns]


def _beside(stat: os.stat_result, aside: Path) -> Path:
    """By the number of the file, which a rename does not change either."""
    return aside / f"{stat.st_ino % 256:02x}" / f"{stat.st_dev:x}-{stat.st_ino:x}.json"
