"""The protocols JSON 1.0 and 1.1: POST / with the operation in a header and all members in the body."""

from __future__ import annotations

import json

from botocore.model import OperationModel

from tintype.web.faults import AwsFault
from tintype.web.message import Answer, Members, Request
from tintype.web.wire.json_values import from_json, load, to_json


def parse(operation: OperationModel, request: Request, body: bytes) -> Members:
    """The members of the request."""
    document = load(body)
    return from_json(operation.input_shape, document) if operation.input_shape is not None else {}


def answer(operation: OperationModel, members: Members) -> Answer:
    """A JSON document."""
    version = operation.service_model.metadata.get("jsonVersion", "1.1")
    document = to_json(operation.output_shape, members) if operation.output_shape is not None else {}
    return Answer(200, {"content-type": f"application/x-amz-json-{version}"}, encode(document))


def refuse(fault: AwsFault, request_id: str) -> Answer:
    """`{"__type": code, "message": text}`; the code is in a header too."""
    document = {"__type": fault.code, "message": fault.message, **fault.members}
    headers = {"content-type": "application/x-amz-json-1.1", "x-amzn-errortype": fault.code}
    return Answer(fault.status, headers, encode(document))


def encode(document: object) -> bytes:
    """Compact JSON."""
    return json.dumps(document, separators=(",", ":"), allow_nan=False).encode()
