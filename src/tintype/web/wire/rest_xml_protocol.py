"""The protocol "rest-xml", which is S3's."""

from __future__ import annotations

from typing import Any

from botocore.model import OperationModel, StructureShape

from tintype.web.faults import AwsFault
from tintype.web.message import Answer, Members, Request
from tintype.web.services import S3_ROOTS
from tintype.web.wire.rest import body_members, payload, read_located, write_located
from tintype.web.wire.xml_text import escape, read_xml
from tintype.web.wire.xml_values import from_xml, to_xml

NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"
HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n'


def parse(operation: OperationModel, request: Request, body: Any) -> Members:
    """The members of the request. The body is bytes, or what has become of a streaming one."""
    found = {name: value for name, value in read_located(operation, request).items() if value is not None}
    whole = payload(operation.input_shape)
    if whole is not None:
        name, shape = whole
        if not isinstance(shape, StructureShape):
            found[name] = body
        elif body:
            found[name] = from_xml(shape, read_xml(body))
    return found


def answer(operation: OperationModel, members: Members) -> Answer:
    """XML, or the one member that is the body, which may come in pieces."""
    said = Answer(operation.http.get("responseCode", 200))
    write_located(operation, members, said)
    if "Content-Range" in said.headers:
        said.status = 206
    whole = payload(operation.output_shape)
    if whole is not None:
        name, shape = whole
        value = members.get(name)
        if isinstance(shape, StructureShape):
            said.body = _document(to_xml(shape, shape.serialization.get("name", name), value or {}), said)
        elif value is not None:
            said.body = value.encode() if isinstance(value, str) else value
    elif operation.name == "GetBucketLocation":         # the one answer that the model cannot say: text in the root
        said.body = _document(f"<LocationConstraint>{escape(members['LocationConstraint'])}</LocationConstraint>", said)
    elif inside := body_members(operation.output_shape):
        assert operation.output_shape is not None  # noqa: S101
        own = {name: value for name, value in members.items() if name in inside}
        root = S3_ROOTS.get(operation.name, f"{operation.name}Result")
        said.body = _document(to_xml(operation.output_shape, root, own), said)
    return said


def refuse(fault: AwsFault, request_id: str) -> Answer:
    """`<Error>`."""
    more = "".join(f"<{name}>{escape(str(value))}</{name}>" for name, value in fault.members.items())
    text = (
        f"{HEAD}<Error><Code>{escape(fault.code)}</Code><Message>{escape(fault.message)}</Message>{more}"
        f"<RequestId>{request_id}</RequestId><HostId>tintype</HostId></Error>"
    )
    return Answer(fault.status, {"Content-Type": "application/xml"}, text.encode())


def _document(element: str, said: Answer) -> bytes:
    said.headers["Content-Type"] = "application/xml"
    opening, _, rest = element.partition(">")
    return f'{HEAD}{opening} xmlns="{NAMESPACE}">{rest}'.encode()
