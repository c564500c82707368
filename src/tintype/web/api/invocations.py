"""SageMaker Runtime: requests handed on to the endpoint's own server, its answers back, its errors as ModelError.

An answer is passed on as it is. A request whose answer is wanted in a bucket (InvokeEndpointAsync) is answered by this
server's process: one that is killed meanwhile loses it, and its caller finds no object.
"""

from __future__ import annotations

import asyncio
import ssl
import time
import uuid
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import httpx

from tintype.serving.endpoints.endpoint import Endpoint
from tintype.storage import is_url, write_bytes
from tintype.web.api.endpoints import find_endpoint, kept_configuration
from tintype.web.api.operation import Members
from tintype.web.api.surroundings import destination, locate
from tintype.web.context import Context
from tintype.web.faults import AwsFault

TIMEOUT_SECONDS = 65.0              # SageMaker's limit is 60; the endpoint says so itself, and better
ASYNC_SECONDS = 3600.0
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
_waiting: set[asyncio.Task[None]] = set()       # a task that nobody holds may be collected before it has run


@final
@dataclass(frozen=True)
class Answered:
    """What the endpoint's server said."""

    status: int
    content: bytes
    headers: Mapping[str, str]


async def invoke_endpoint(context: Context, request: Members) -> Members:
    """The endpoint's answer."""
    endpoint = await asyncio.to_thread(_serving, context, request["EndpointName"])
    answered = await _ask(context, endpoint, request, request["Body"], TIMEOUT_SECONDS)
    return {"Body": answered.content, **_members(answered)}


async def invoke_endpoint_with_response_stream(context: Context, request: Members) -> Members:
    """The same in parts: a large answer is read as it comes."""
    endpoint = await asyncio.to_thread(_serving, context, request["EndpointName"])
    answered = await _ask(context, endpoint, request, request["Body"], TIMEOUT_SECONDS)

    async def parts() -> AsyncIterator[Members]:
        for start in range(0, len(answered.content), PART_BYTES):
            yield {"PayloadPart": {"Bytes": answered.content[start : start + PART_BYTES]}}

    return {"Body": parts(), **_members(answered)}


async def invoke_endpoint_async(context: Context, request: Members) -> Members:
    """Take the request; its answer will be the object at OutputLocation, or the reason that at FailureLocation."""
    name = request["EndpointName"]
    endpoint = await asyncio.to_thread(_serving, context, name)
    configuration = await asyncio.to_thread(kept_configuration, context, name)
    output = (configuration.get("AsyncInferenceConfig") or {}).get("OutputConfig") or {}
    if not output.get("S3OutputPath"):
        raise AwsFault("ValidationError", f"Endpoint {name} has no AsyncInferenceConfig with an S3OutputPath")
    inference_id = request.get("InferenceId") or str(uuid.uuid4())
    body = await asyncio.to_thread(_input, context, request)
    object_name = request.get("Filename") or f"{uuid.uuid4()}.out"
    good, good_file = _target(context, output["S3OutputPath"], object_name)
    bad, bad_file = _target(context, output.get("S3FailurePath") or output["S3OutputPath"], f"{object_name}-error.out")
    seconds = float(request.get("InvocationTimeoutSeconds") or ASYNC_SECONDS)

    async def work() -> None:
        try:
            answered = await _ask(context, endpoint, request, body, seconds)
            await asyncio.to_thread(write_bytes, good_file, answered.content)
        except AwsFault as fault:
            await asyncio.to_thread(write_bytes, bad_file, fault.message.encode())

    task = asyncio.create_task(work())
    _waiting.add(task)
    task.add_done_callback(_waiting.discard)
    return {"InferenceId": inference_id, "OutputLocation": good, "FailureLocation": bad}


async def _ask(context: Context, endpoint: Endpoint, request: Members, body: bytes, seconds: float) -> Answered:
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


def _serving(context: Context, name: str) -> Endpoint:
    missing = AwsFault("ValidationError", f"Endpoint {name} of account {context.account.id} not found.")
    try:
        endpoint = find_endpoint(context, name)
    except AwsFault as error:
        raise missing from error
    if endpoint.url is None:
        raise missing
    return endpoint


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


def _input(context: Context, request: Members) -> bytes:
    location = request.get("InputLocation")
    if not location:
        return request.get("Body") or b""
    path = locate(context.buckets, location)
    if is_url(path) or not Path(path).is_file():
        raise AwsFault("ValidationError", f"InputLocation {location} is no object in a bucket of this server")
    return Path(path).read_bytes()


def _target(context: Context, prefix: str, name: str) -> tuple[str, Path]:
    folder = destination(context.buckets, prefix)
    if is_url(folder):
        raise AwsFault("ValidationError", f"{prefix} is in no bucket of this server")
    return f"{prefix.rstrip('/')}/{name}", Path(folder) / name
