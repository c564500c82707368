"""Single values as text, which is what paths, queries, headers, forms and XML have."""

from __future__ import annotations

import base64
import binascii
from typing import Any

from botocore.model import Shape

from tintype.web.faults import AwsFault
from tintype.web.wire import moments
from tintype.web.wire.json_values import LARGEST

BOOLEANS = {"true": True, "false": False}


def from_text(shape: Shape, text: str) -> Any:
    """The value of a shape that is no structure, list or map. Raises `AwsFault` InvalidArgument."""
    try:
        return _read(shape.type_name, text)
    except (ValueError, TypeError, KeyError, OverflowError, IndexError, binascii.Error) as error:
        raise AwsFault("InvalidArgument", f"{text[:40]!r} is no {shape.type_name}") from error


def _read(kind: str, text: str) -> Any:
    if kind in LARGEST:
        value = int(text) if len(text) < 25 else LARGEST[kind]
        if not -LARGEST[kind] <= value < LARGEST[kind]:
            raise ValueError(text)
        return value
    if kind in ("float", "double"):
        return float(text)
    if kind == "boolean":
        return BOOLEANS[text.lower()]
    if kind == "timestamp":
        return moments.from_text(text)
    if kind == "blob":
        return base64.b64decode(text, validate=True)
    return text
