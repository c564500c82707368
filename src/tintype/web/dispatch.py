"""Which operation a request is: by what it was signed for, then by its target header, its form, or its path."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from types import ModuleType
from typing import final

from botocore.exceptions import UnknownServiceError
from botocore.model import OperationModel, OperationNotFoundError

from tintype.web.faults import AwsFault
from tintype.web.message import Request
from tintype.web.services import SCOPES, by_target_prefix, model
from tintype.web.wire import cbor_protocol, json_protocol, query_protocol, rest, rest_json_protocol, rest_xml_protocol

RPC_PATH = re.compile(r"/service/([A-Za-z0-9_]+)/operation/([A-Za-z0-9_]+)")
FORM = "application/x-www-form-urlencoded"


@final
@dataclass(frozen=True)
class Call:
    """An operation of a service, and the protocol that it was asked in: a module of `wire`."""

    operation: OperationModel
    protocol: ModuleType

    @property
    def service(self) -> str:
        """botocore's name of the service."""
        return self.operation.service_model.service_name


def protocol_of(request: Request, scope: str) -> ModuleType:
    """The protocol that an answer must be in, whatever becomes of the request."""
    if scope == "s3":
        return rest_xml_protocol
    if request.header("smithy-protocol") == "rpc-v2-cbor":
        return cbor_protocol
    if "x-amz-target" in request.headers:
        return json_protocol
    if request.header("content-type").startswith(FORM) or scope in ("sts", "iam"):
        return query_protocol
    return rest_json_protocol


def find_call(request: Request, scope: str, body: bytes) -> Call:
    """The operation of a request that is not S3's. Raises `AwsFault` that says what there is instead."""
    services = SCOPES.get(scope, ())
    if not services:
        offered = f"The service {scope[:60]!r} is not offered here; {_listed(SCOPES)} are."
        raise AwsFault("UnknownOperationException", offered)
    protocol = protocol_of(request, scope)
    if protocol is rest_json_protocol:
        for service in services:
            if found := rest.find_operation(service, request):
                return Call(found, protocol)
        nothing = f"{scope} has no operation {request.method} {request.path[:100]}."
        raise AwsFault("UnknownOperationException", nothing, 404)
    service, name = _named(request, services, protocol, body)
    try:
        return Call(model(service).operation_model(name), protocol)
    except (OperationNotFoundError, UnknownServiceError) as error:
        code = "InvalidAction" if protocol is query_protocol else "UnknownOperationException"
        raise AwsFault(code, f"There is no operation {name[:100]!r} of {service}.") from error


def refusal_of_unsupported(call: Call, supported: Iterable[str]) -> AwsFault:
    """What is said to an operation that AWS has and that is not here."""
    what = f"{call.operation.name} of {call.service} is not supported by Tintype"
    message = f"{what}. Supported are: {_listed(sorted(supported))}."
    code, status = ("NotImplemented", 501) if call.service == "s3" else ("UnknownOperationException", 400)
    return AwsFault(code, message, status)


def _named(request: Request, services: tuple[str, ...], protocol: ModuleType, body: bytes) -> tuple[str, str]:
    if protocol is query_protocol:
        return services[0], query_protocol.read_form(request, body).get("Action", "")
    if protocol is cbor_protocol:
        found = RPC_PATH.fullmatch(request.path)
        prefix, name = (found[1], found[2]) if found else ("", "")
    else:
        prefix, _, name = request.header("x-amz-target").partition(".")
    service = by_target_prefix().get(prefix, "")
    if service not in services:
        raise AwsFault("UnknownOperationException", f"The target {prefix[:60]!r} is none of {_listed(services)}.")
    return service, name


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names) or "none"
