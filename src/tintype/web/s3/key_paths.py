"""Keys and the paths they are at. A key cannot name anything outside its bucket, whatever is in it.

A key is cut at its slashes, and each part is a folder or a file of that name. Where a file system cannot do that,
names that begin with `.tintype-` stand in, which no key may contain:

    a//b, /a, a/        an empty part is `.tintype-empty`
    ./a, a/..           a part of dots is `.tintype-dot` or `.tintype-dots`
    a and a/b           the object `a` is `a/.tintype-object`, as `a` is a folder
"""

from __future__ import annotations

import os
from pathlib import Path

from tintype.web.faults import AwsFault

RESERVED = ".tintype-"
OBJECT = ".tintype-object"
STAND_INS = {"": ".tintype-empty", ".": ".tintype-dot", "..": ".tintype-dots"}
PARTS = {name: part for part, name in STAND_INS.items()}
LONGEST_KEY = 1024          # bytes of UTF-8, as in S3
LONGEST_PATH = 3000         # bytes; Linux allows 4096 with the home's in front
LONGEST_PART = 255          # ... which file systems allow for a name


def check_key(key: str) -> str:
    """The key, when it can be one. Raises `AwsFault`."""
    try:
        encoded = key.encode()
    except UnicodeEncodeError as error:
        raise AwsFault("InvalidURI", "Couldn't parse the specified URI: the key is not UTF-8.") from error
    if len(encoded) > LONGEST_KEY:
        raise AwsFault("KeyTooLongError", f"Your key is too long: {len(encoded)} bytes, and {LONGEST_KEY} are allowed.")
    if not key:
        raise AwsFault("InvalidArgument", "A key has at least one letter.")
    if "\0" in key:
        raise AwsFault("InvalidArgument", "A key may not contain the null character here: keys are the names of files.")
    for part in encoded.split(b"/"):
        if len(part) > LONGEST_PART:
            raise AwsFault(
                "KeyTooLongError",
                "Your key is too long: keys are the names of files here, and what is between two slashes may have "
                f"{LONGEST_PART} bytes; there are {len(part)}.",
            )
        if part.startswith(RESERVED.encode()):
            raise AwsFault("InvalidArgument", f"A part of a key may not begin with {RESERVED!r} here.")
    return key


def relative_path(key: str) -> str:
    """Where the key is, relative to its bucket, when no folder is there. Raises `AwsFault` for what cannot be a key."""
    path = "/".join(STAND_INS.get(part, part) for part in check_key(key).split("/"))
    if len(path.encode()) > LONGEST_PATH:
        message = "Your key is too long: keys are paths of files here, and this one has too many odd parts."
        raise AwsFault("KeyTooLongError", message)
    return path


def part_of(name: str) -> str | None:
    """The part of a key that a file or folder of this name is; None when it is none (names that are not UTF-8, and
    ours).
    """
    if name in PARTS:
        return PARTS[name]
    if name.startswith(RESERVED) or not _is_text(name):
        return None
    return name


def find(bucket: Path, key: str) -> Path | None:
    """The file of an object, or None when there is no such object."""
    path = bucket / relative_path(key)
    if os.path.isdir(path):
        path = path / OBJECT
    return path if os.path.isfile(path) else None


def _is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:      # surrogate escapes stand for bytes that are not UTF-8
        return False
    return True
