"""Smithy's "rpc-v2-cbor", which newer clients of CloudWatch may choose: POST /service/X/operation/Y."""

from __future__ import annotations

import base64
from datetime import datetime
from typing import Any

from botocore.model import ListShape, MapShape, OperationModel, Shape, StructureShape

from tintype.web.faults import AwsFault
from tintype.web.message import Answer, Members, Request
from tintype.web.wire import cbor, moments
from tintype.web.wire.json_values import from_json

HEADERS = {"content-type": "application/cbor", "smithy-protocol": "rpc-v2-cbor"}


def parse(operation: OperationModel, request: Request, body: bytes) -> Members:
    """The members of the request."""
    document = cbor.decode(body) if body else {}
    return from_json(operation.input_shape, _as_json(document)) if operation.input_shape is not None else {}


def answer(operation: OperationModel, members: Members) -> Answer:
    """A CBOR document."""
    document = _checked(operation.output_shape, members) if operation.output_shape is not None else {}
    return Answer(200, dict(HEADERS), cbor.encode(document))


def refuse(fault: AwsFault, request_id: str) -> Answer:
    """`{"__type": code, "message": text}`."""
    document = {"__type": fault.code, "message": fault.message, **fault.members}
    return Answer(fault.status, dict(HEADERS), cbor.encode(document))


def _as_json(value: Any) -> Any:
    """What JSON would have had, so that one reader checks both."""
    if isinstance(value, dict):
        return {key: _as_json(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_as_json(one) for one in value]
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    return moments.to_epoch(value) if isinstance(value, datetime) else value


def _checked(shape: Shape, value: Any) -> Any:
    """Without what is None. Raises `TypeError` for a member that the shape does not have, which is an error of ours."""
    if isinstance(shape, StructureShape):
        unknown = value.keys() - shape.members.keys()
        if unknown:
            raise TypeError(f"{shape.name} has no member {', '.join(sorted(unknown))}")
        return {name: _checked(shape.members[name], one) for name, one in value.items() if one is not None}
    if isinstance(shape, ListShape):
        return [_checked(shape.member, one) for one in value]
    if isinstance(shape, MapShape):
        return {key: _checked(shape.value, one) for key, one in value.items()}
    return float(value) if shape.type_name in ("float", "double") else value
