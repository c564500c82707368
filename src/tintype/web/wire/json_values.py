"""JSON to the values of a shape of botocore's model, and back. Members that the shape does not have are passed over
when read.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
from collections.abc import Callable
from datetime import datetime
from typing import Any

from botocore.model import ListShape, MapShape, Shape, StructureShape

from tintype.web.faults import AwsFault
from tintype.web.wire import moments

LARGEST = {"integer": 2**31, "long": 2**63}
SPECIAL = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


def malformed(message: str) -> AwsFault:
    """What AWS says to a body that is not what the operation reads."""
    return AwsFault("SerializationException", message)


def load(body: bytes) -> Any:
    """The JSON document of a body; {} when there is none. Raises `AwsFault`."""
    try:
        return json.loads(body) if body.strip() else {}
    except (ValueError, RecursionError) as error:
        raise malformed("The request body is not JSON.") from error


def from_json(shape: Shape, value: Any) -> Any:
    """The value of a shape. Raises `AwsFault` for one of another type."""
    return READERS[shape.type_name](shape, value)


def to_json(shape: Shape, value: Any) -> Any:
    """What `json.dumps` takes. Raises `TypeError` for a member that the shape does not have, which is an error of
    ours.
    """
    return WRITERS[shape.type_name](shape, value)


def wire_name(name: str, shape: Shape) -> str:
    """How a member is called on the wire."""
    return shape.serialization.get("name", name)


def _wrong(value: Any, kind: str) -> AwsFault:
    said = {bool: "TRUE_VALUE", int: "NUMBER_VALUE", float: "NUMBER_VALUE", str: "STRING_VALUE", list: "LIST_VALUE"}
    return malformed(f"{said.get(type(value), 'START_OBJECT')} can not be converted to {kind}")


def _read_structure(shape: Shape, value: Any) -> Any:
    assert isinstance(shape, StructureShape)  # noqa: S101
    if not isinstance(value, dict):
        raise _wrong(value, "a Structure")
    if shape.is_document_type:
        return value
    found = {}
    for name, member in shape.members.items():
        given = value.get(wire_name(name, member))
        if given is not None:
            found[name] = from_json(member, given)
    return found


def _read_list(shape: Shape, value: Any) -> Any:
    assert isinstance(shape, ListShape)  # noqa: S101
    if not isinstance(value, list):
        raise _wrong(value, "a List")
    return [from_json(shape.member, one) for one in value if one is not None]


def _read_map(shape: Shape, value: Any) -> Any:
    assert isinstance(shape, MapShape)  # noqa: S101
    if not isinstance(value, dict):
        raise _wrong(value, "a Map")
    return {
        from_json(shape.key, key): from_json(shape.value, one) for key, one in value.items() if one is not None
    }


def _read_string(shape: Shape, value: Any) -> Any:
    if not isinstance(value, str):
        raise _wrong(value, "a String")
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError as error:
            raise malformed("a string has half a surrogate pair in it") from error
    return value


def _read_integer(shape: Shape, value: Any) -> Any:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool):
        raise _wrong(value, "an Integer")
    largest = LARGEST[shape.type_name]
    if not -largest <= value < largest:
        raise malformed("a number is too large for an Integer")
    return value


def _read_float(shape: Shape, value: Any) -> Any:
    if isinstance(value, str) and value in SPECIAL:
        return SPECIAL[value]
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise _wrong(value, "a Float")
    try:
        return float(value)
    except OverflowError as error:
        raise malformed("a number is too large for a Float") from error


def _read_boolean(shape: Shape, value: Any) -> Any:
    if not isinstance(value, bool):
        raise _wrong(value, "a Boolean")
    return value


def _read_timestamp(shape: Shape, value: Any) -> Any:
    try:
        if isinstance(value, int | float) and not isinstance(value, bool):
            return moments.from_epoch(value)
        if isinstance(value, str):
            return moments.from_text(value)
    except (ValueError, OverflowError) as error:
        raise malformed(f"{str(value)[:40]!r} is no Timestamp") from error
    raise _wrong(value, "a Timestamp")


def _read_blob(shape: Shape, value: Any) -> Any:
    if not isinstance(value, str):
        raise _wrong(value, "a Blob")
    try:
        return base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError) as error:
        raise malformed("a Blob is not base64") from error


def _write_structure(shape: Shape, value: Any) -> Any:
    assert isinstance(shape, StructureShape)  # noqa: S101
    if shape.is_document_type:
        return value
    unknown = value.keys() - shape.members.keys()
    if unknown:
        raise TypeError(f"{shape.name} has no member {', '.join(sorted(unknown))}")
    return {
        wire_name(name, shape.members[name]): to_json(shape.members[name], one)
        for name, one in value.items()
        if one is not None
    }


def _write_list(shape: Shape, value: Any) -> Any:
    assert isinstance(shape, ListShape)  # noqa: S101
    return [to_json(shape.member, one) for one in value]


def _write_map(shape: Shape, value: Any) -> Any:
    assert isinstance(shape, MapShape)  # noqa: S101
    return {str(key): to_json(shape.value, one) for key, one in value.items()}


def _write_number(shape: Shape, value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return value


def _write_timestamp(shape: Shape, value: datetime) -> Any:
    if shape.serialization.get("timestampFormat") == "iso8601":
        return moments.to_iso(value)
    return moments.to_epoch(value)


def _write_blob(shape: Shape, value: bytes) -> Any:
    return base64.b64encode(value).decode()


def _as_it_is(shape: Shape, value: Any) -> Any:
    return value


Conversion = Callable[[Shape, Any], Any]

READERS: dict[str, Conversion] = {
    "structure": _read_structure,
    "list": _read_list,
    "map": _read_map,
    "string": _read_string,
    "character": _read_string,
    "integer": _read_integer,
    "long": _read_integer,
    "float": _read_float,
    "double": _read_float,
    "boolean": _read_boolean,
    "timestamp": _read_timestamp,
    "blob": _read_blob,
}
WRITERS: dict[str, Conversion] = {
    "structure": _write_structure,
    "list": _write_list,
    "map": _write_map,
    "string": _as_it_is,
    "character": _as_it_is,
    "integer": _as_it_is,
    "long": _as_it_is,
    "float": _write_number,
    "double": _write_number,
    "boolean": _as_it_is,
    "timestamp": _write_timestamp,
    "blob": _write_blob,
}
