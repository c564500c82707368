"""The protocol "query" of STS, IAM and older clients of CloudWatch: a form with an Action in, XML out."""

from __future__ import annotations

from typing import Any

from botocore.model import ListShape, MapShape, OperationModel, Shape, StructureShape

from tintype.web.faults import AwsFault
from tintype.web.message import Answer, Members, Request, decoded_pairs
from tintype.web.wire.json_values import malformed, wire_name
from tintype.web.wire.scalars import from_text
from tintype.web.wire.xml_text import escape
from tintype.web.wire.xml_values import to_xml

MOST_FIELDS = 10_000
Form = dict[str, str]


def read_form(request: Request, body: bytes) -> Form:
    """The form in the body, or in the query of a GET. Raises `AwsFault`."""
    text = body.decode("latin-1") if request.method == "POST" else request.query
    if text.count("&") > MOST_FIELDS:
        raise malformed(f"the form has more than {MOST_FIELDS} fields")
    return dict(decoded_pairs(text))


def parse(operation: OperationModel, request: Request, body: bytes) -> Members:
    """The members of the request."""
    shape = operation.input_shape
    return _read_structure(shape, read_form(request, body), "") if isinstance(shape, StructureShape) else {}


def answer(operation: OperationModel, members: Members) -> Answer:
    """`<XResponse><XResult>...</XResult><ResponseMetadata/></XResponse>`; the request's id is in a header."""
    result = ""
    if operation.output_shape is not None:
        wrapper = operation.output_shape.serialization.get("resultWrapper", f"{operation.name}Result")
        result = to_xml(operation.output_shape, wrapper, members)
    namespace = operation.service_model.metadata.get("xmlNamespace", "")
    text = f'<{operation.name}Response xmlns="{escape(namespace)}">{result}</{operation.name}Response>'
    return Answer(200, {"content-type": "text/xml"}, text.encode())


def refuse(fault: AwsFault, request_id: str) -> Answer:
    """`<ErrorResponse>`."""
    who = "Sender" if fault.status < 500 else "Receiver"
    text = (
        f"<ErrorResponse><Error><Type>{who}</Type><Code>{escape(fault.code)}</Code>"
        f"<Message>{escape(fault.message)}</Message></Error><RequestId>{request_id}</RequestId></ErrorResponse>"
    )
    return Answer(fault.status, {"content-type": "text/xml"}, text.encode())


def _read(shape: Shape, form: Form, prefix: str) -> Any:
    """The value below a prefix such as `Tags.member.1`; None when there is nothing."""
    if isinstance(shape, StructureShape):
        return _read_structure(shape, form, f"{prefix}.") or None
    if isinstance(shape, ListShape):
        flat = shape.serialization.get("flattened")
        inner = "" if flat else f".{shape.member.serialization.get('name', 'member')}"
        return _until_none(lambda index: _read(shape.member, form, f"{prefix}{inner}.{index}")) or None
    if isinstance(shape, MapShape):
        flat = "" if shape.serialization.get("flattened") else ".entry"
        pairs = _until_none(
            lambda index: (
                (key, _read(shape.value, form, f"{prefix}{flat}.{index}.value"))
                if (key := form.get(f"{prefix}{flat}.{index}.key")) is not None
                else None
            )
        )
        return dict(pairs) or None
    return None if (text := form.get(prefix)) is None else from_text(shape, text)


def _read_structure(shape: StructureShape, form: Form, prefix: str) -> Members:
    found = {}
    for name, member in shape.members.items():
        own = f"{prefix}{wire_name(name, member)}"
        if own in form or any(field.startswith(f"{own}.") for field in form):
            value = _read(member, form, own)
            if value is not None:
                found[name] = value
    return found


def _until_none(get: Any) -> list[Any]:
    found = []
    while (value := get(len(found) + 1)) is not None:
        found.append(value)
    return found
