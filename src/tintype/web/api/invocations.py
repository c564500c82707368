"""SageMaker Runtime: requests handed on to the endpoint's own server, its answers back, its errors as ModelError.

An answer is passed on as it is. Requests whose answer is wanted in a bucket are in `async_invocations.py`.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any, final

import httpx

from tintype.serving.endpoints.endpoint import Endpoint
from tintype.web.api.endpoints import find_endpoint
from tintype.web.api.operation import Members
from tintype.web.context import Context
from tintype.web.faults import AwsFault

TIMEOUT_SECONDS = 65.0              # SageMaker's limit is 60; the endpoint says so itself, and better
PART_BYTES = 64 * 1024
MESSAGE_CHARACTERS = 2000
# It is a server of this machine, spoken to in the clear; reading the certificates of the world takes 20 ms.
NO_CERTIFICATES = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
VARIANT, ATTRIBUTES = "x-amzn-invoked-production-variant", "x-amzn-sagemaker-custom-attributes"

# request member -> header of the endpoint's server
HEADERS: Mapping[str, str] = {
    "ContentType": "content-type",
    "Accept": "accept",
    "CustomAttributes": ATTRIBUTES,
    "TargetVariant": "x-amzn-sagemaker-target-variant",
    "InferenceId": "x-amzn-sagemaker-inference-id",
}


@final
@dataclass(frozen=True)
class Answered:
    """What the endpoint's server said."""

    status: int
    content: bytes
    headers: Mapping[str, str]


async def invoke_endpoint(context: Context, request: Members) -> Members:
    """The endpoint's answer."""
    endpoint = await asyncio.to_thread(serving_endpoint, context, request["EndpointName"])
    answered = await ask(context, endpoint, request, request["Body"], TIMEOUT_SECONDS)
    return {"Body": answered.content, **_members(answered)}


async def invoke_endpoint_with_response_stream(context: Context, request: Members) -> Members:
    """The same in parts: a large answer is read as it comes."""
    endpoint = await asyncio.to_thread(serving_endpoint, context, request["EndpointName"])
    answered = await ask(context, endpoint, request, request["Body"], TIMEOUT_SECONDS)

    async def parts() -> AsyncIterator[Members]:
        for start in range(0, len(answered.content), PART_BYTES):
            yield {"PayloadPart": {"Bytes": answered.content[start : start + PART_BYTES]}}

    return {"Body": parts(), **_members(answered)}


async def ask(
    context: Context, endpoint: Endpoint, request: Mapping[str, Any], body: bytes, seconds: float
) -> Answered:
    """Hand a request on, and wait for its answer. Raises `AwsFault`: ModelError, ServiceUnavailable at its limit,
    ValidationError for a variant that is not there.
    """
    _check_variant(endpoint, request.get("TargetVariant"))
    headers = {header: request[member] for member, header in HEADERS.items() if request.get(member)}
    if endpoint.token:
        headers["authorization"] = f"Bearer {endpoint.token}"
    began, only = time.monotonic(), endpoint.variants[0].name
    try:
        async with httpx.AsyncClient(trust_env=False, verify=NO_CERTIFICATES, timeout=seconds) as client:
            found = await client.post(f"{endpoint.url}/invocations", content=body, headers=headers)
        variant = found.headers.get(VARIANT, request.get("TargetVariant") or only)
        context.invocations.note(endpoint.name, variant, found.status_code, time.monotonic() - began)
    except httpx.TimeoutException as error:
        context.invocations.note(endpoint.name, only, 0, seconds)
        raise _model_error(context, endpoint.name, 0, f"no answer within {seconds:g} seconds") from error
    except httpx.HTTPError as error:
        context.invocations.note(endpoint.name, only, 0, time.monotonic() - began)
        raise _model_error(context, endpoint.name, 0, f"the endpoint's server went away: {error}") from error
    if found.status_code == httpx.codes.TOO_MANY_REQUESTS:
        raise AwsFault("ServiceUnavailable", f"Endpoint {endpoint.name} has too many requests at work; try later", 503)
    if found.status_code >= httpx.codes.BAD_REQUEST:
        raise _model_error(context, endpoint.name, found.status_code, found.text)
    return Answered(found.status_code, found.content, found.headers)


def serving_endpoint(context: Context, name: str) -> Endpoint:
    """The endpoint of a name that has a server now. Raises `AwsFault` ValidationError."""
    missing = AwsFault("ValidationError", f"Endpoint {name} of account {context.account.id} not found.")
    try:
        endpoint = find_endpoint(context, name)
    except AwsFault as error:
        raise missing from error
    if endpoint.url is None:
        raise missing
    return endpoint


def _check_variant(endpoint: Endpoint, wanted: str | None) -> None:
    known = [one.name for one in endpoint.variants if not one.shadow]
    if wanted and wanted not in known:
        there = f"there are: {', '.join(known)}"
        raise AwsFault("ValidationError", f"Variant {wanted} of endpoint {endpoint.name} not found; {there}")


def _model_error(context: Context, name: str, status: int, said: str) -> AwsFault:
    """SageMaker's ModelError, in its words."""
    who = "client" if 400 <= status < 500 else "server"
    region, group = context.region, f"/aws/sagemaker/Endpoints/{name}"
    console = f"https://{region}.console.aws.amazon.com/cloudwatch/home?region={region}#logEventViewer:group={group}"
    message = (
        f'Received {who} error ({status}) from primary with message "{said[:MESSAGE_CHARACTERS]}". '
        f"See {console} in account {context.account.id} for more information."
    )
    members: dict[str, Any] = {
        "OriginalStatusCode": status,
        "OriginalMessage": said[:MESSAGE_CHARACTERS],
        "LogStreamArn": context.arn(f"log-group:{group}", "logs"),
    }
    return AwsFault("ModelError", message, 424, members)


def _members(answered: Answered) -> Members:
    found = {
        "ContentType": answered.headers.get("content-type"),
        "InvokedProductionVariant": answered.headers.get(VARIANT),
        "CustomAttributes": answered.headers.get(ATTRIBUTES),
    }
    return {name: value for name, value in found.items() if value}
