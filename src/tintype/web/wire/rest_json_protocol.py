"""The protocol "rest-json" of the SageMaker runtime and metrics."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from botocore.model import OperationModel, StructureShape

from tintype.web.faults import AwsFault
from tintype.web.message import Answer, Members, Request
from tintype.web.wire import json_protocol
from tintype.web.wire.event_stream import event, exception
from tintype.web.wire.json_values import from_json, load, to_json
from tintype.web.wire.rest import body_members, payload, read_located, write_located


def parse(operation: OperationModel, request: Request, body: bytes) -> Members:
    """The members of the request; a body that is one member is that member."""
    found = {name: value for name, value in read_located(operation, request).items() if value is not None}
    whole = payload(operation.input_shape)
    if whole is not None:
        name, shape = whole
        found[name] = from_json(shape, load(body)) if isinstance(shape, StructureShape) else body
    elif body_members(operation.input_shape):
        assert operation.input_shape is not None  # noqa: S101
        found |= from_json(operation.input_shape, load(body))
    return found


def answer(operation: OperationModel, members: Members) -> Answer:
    """JSON, or the one member that is the body, which may come in pieces."""
    said = Answer(operation.http.get("responseCode", 200))
    write_located(operation, members, said)
    whole = payload(operation.output_shape)
    if whole is not None:
        name, shape = whole
        value = members.get(name, b"")
        if shape.serialization.get("eventstream") or getattr(shape, "is_eventstream", False):
            said.headers["Content-Type"] = "application/vnd.amazon.eventstream"
            said.body = _events(shape, value)
        else:
            said.body = value
        return said
    shape = operation.output_shape
    if isinstance(shape, StructureShape):
        inside = {name: value for name, value in members.items() if name in body_members(shape)}
        said.headers["Content-Type"] = "application/json"
        said.body = json_protocol.encode(to_json(shape, inside))
    return said


def refuse(fault: AwsFault, request_id: str) -> Answer:
    """`{"message": text}`, with the code in a header. Errors of endpoints have their message under a capital letter."""
    document = {"message": fault.message, "Message": fault.message, **fault.members}
    headers = {"content-type": "application/json", "x-amzn-errortype": fault.code}
    return Answer(fault.status, headers, json_protocol.encode(document))


async def _events(shape: Any, items: AsyncIterator[Members]) -> AsyncIterator[bytes]:
    try:
        async for item in items:
            for name, members in item.items():
                yield event(shape.members[name], name, members)
    except AwsFault as fault:               # the status has been sent: the client is told within the stream
        yield exception(fault)
