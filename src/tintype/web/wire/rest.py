"""What the REST protocols share: members in the path, the query and the headers, and which operation a path is."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from typing import Any
from urllib.parse import quote

from botocore.model import OperationModel, Shape, StructureShape

from tintype.web.message import Answer, Members, Request, decoded
from tintype.web.services import model
from tintype.web.wire import moments
from tintype.web.wire.scalars import from_text
from tintype.web.wire.xml_values import text_of


def find_operation(service: str, request: Request) -> OperationModel | None:
    """The operation of a service that a method and a path are, when the path alone tells."""
    for name, method, path in _paths(service):
        if method == request.method and path.fullmatch(request.path):
            return model(service).operation_model(name)
    return None


@cache
def _paths(service: str) -> list[tuple[str, str, re.Pattern[str]]]:
    found = model(service)
    return [
        (name, found.operation_model(name).http["method"], _pattern(found.operation_model(name)))
        for name in found.operation_names
    ]


@cache
def _pattern_of(uri: str) -> re.Pattern[str]:
    pieces = re.split(r"\{([A-Za-z]+\+?)\}", uri.partition("?")[0])
    text = ""
    for index, piece in enumerate(pieces):
        if index % 2 == 0:
            text += re.escape(piece)
        else:
            text += f"(?P<{piece.rstrip('+')}>{'.+' if piece.endswith('+') else '[^/]+'})"
    return re.compile(text, re.DOTALL)


def _pattern(operation: OperationModel) -> re.Pattern[str]:
    return _pattern_of(operation.http["requestUri"])


def read_located(operation: OperationModel, request: Request) -> Members:
    """The members that are in the path, the query or the headers. Raises `AwsFault`."""
    shape = operation.input_shape
    if not isinstance(shape, StructureShape):
        return {}
    labels = _pattern(operation).fullmatch(request.path)
    found: Members = {}
    for name, member in shape.members.items():
        location, wire = member.serialization.get("location"), member.serialization.get("name", name)
        if location == "uri" and labels:
            found[name] = from_text(member, decoded(labels[wire]))
        elif location == "querystring" and wire in request.parameters:
            found[name] = _from_query(member, request.parameters[wire])
        elif location == "header" and wire.lower() in request.headers:
            found[name] = _from_header(member, _header_text(request.headers[wire.lower()]))
        elif location == "headers":
            found[name] = _prefixed(request.headers, wire.lower())
    return found


def write_located(operation: OperationModel, members: Members, answer: Answer) -> None:
    """Put the members that belong there into the headers of the answer, and one into its status."""
    shape = operation.output_shape
    if not isinstance(shape, StructureShape):
        return
    unknown = members.keys() - shape.members.keys()
    if unknown:
        raise TypeError(f"{shape.name} has no member {', '.join(sorted(unknown))}")
    for name, value in members.items():
        member = shape.members[name]
        location, wire = member.serialization.get("location"), member.serialization.get("name", name)
        if value is None:
            continue
        if location == "header":
            answer.headers[wire] = _to_header(member, value)
        elif location == "headers":
            answer.headers |= {f"{wire}{key}": _header_safe(one) for key, one in value.items()}
        elif location == "statusCode":
            answer.status = int(value)


def body_members(shape: Shape | None) -> list[str]:
    """The members of a structure that are in the body."""
    if not isinstance(shape, StructureShape):
        return []
    return [name for name, member in shape.members.items() if not member.serialization.get("location")]


def payload(shape: Shape | None) -> tuple[str, Shape] | None:
    """The member that is the whole body, if there is one."""
    if not isinstance(shape, StructureShape):
        return None
    name = shape.serialization.get("payload")
    return (name, shape.members[name]) if name else None


def _from_query(shape: Shape, text: str) -> Any:
    if shape.type_name == "list":
        return [text]
    # An empty number is none, as in `max-keys=`
    return None if text == "" and shape.type_name != "string" else from_text(shape, text)


def _from_header(shape: Shape, text: str) -> Any:
    if shape.type_name == "list":
        return [one.strip() for one in text.split(",") if one.strip()]
    return from_text(shape, text)


def _header_text(value: str) -> str:
    """Header values are UTF-8 where they are not ASCII; what is not stays as HTTP has it, Latin-1."""
    try:
        return value if value.isascii() else value.encode("latin-1").decode()
    except UnicodeError:
        return value


def _prefixed(headers: Any, prefix: str) -> dict[str, str]:
    pairs: Iterable[tuple[str, str]] = headers.items()
    return {name[len(prefix) :]: _header_text(value) for name, value in pairs if name.startswith(prefix)}


def _to_header(shape: Shape, value: Any) -> str:
    if shape.type_name == "timestamp" and shape.serialization.get("timestampFormat") != "iso8601":
        return moments.to_http(value)
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return _header_safe(text_of(shape, value))


def _header_safe(text: str) -> str:
    """A value that cannot end the header: others than printable characters are percent-encoded."""
    return text if text.isprintable() else quote(text, safe=" !\"#$&'()*+,-./:;<=>?@[\\]^_`{|}~")
