"""InvokeEndpointAsync: a request that was taken is answered, whatever becomes of this server meanwhile.

Taken means written down: a record of what was asked, and a file of its body. Both go when the answer is an object, or
the reason that there is none. What an earlier server has left, the next one goes on with at its start; a request that
the endpoint had answered already, but whose answer was not written yet, is then asked a second time.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
import os
import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import final

import httpx

from tintype.errors import NotFound, TintypeError
from tintype.serving.endpoints.endpoint import Status
from tintype.storage import atomic_file, is_url, write_bytes
from tintype.web.api.endpoints import find_endpoint, kept_configuration
from tintype.web.api.invocations import HEADERS, Answered, ask, serving_endpoint
from tintype.web.api.operation import Members
from tintype.web.api.surroundings import destination, locate
from tintype.web.context import Context
from tintype.web.faults import AwsFault
from tintype.web.s3 import attributes
from tintype.web.s3.attributes import DEFAULT_TYPE, Attributes

KIND = "async-invocation"
ANSWER_SECONDS = 900.0              # for one answer, and
QUEUE_SECONDS = 21_600.0            # for waiting until the endpoint has time for it, unless the request says otherwise
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.2, 5.0

log = logging.getLogger(__name__)
_under_way: set[asyncio.Task[None]] = set()     # a task that nobody holds may be collected before it has run


@final
@dataclass(frozen=True)
class Taken:
    """A request that was taken. Times are seconds since the epoch."""

    id: str
    endpoint: str
    asked: Mapping[str, str]        # the members of the request that are headers of the endpoint's
    body: str                       # the file of the body
    answer: str                     # the file of the answer that is to be
    reason: str                     # the file of what went wrong
    seconds: float                  # for one answer
    until: float                    # when it is not asked again


async def invoke_endpoint_async(context: Context, request: Members) -> Members:
    """Take the request; its answer will be the object at OutputLocation, or the reason that at FailureLocation."""
    taken, answer = await asyncio.to_thread(_take, context, request)
    _go_on(context, taken)
    return answer


@asynccontextmanager
async def invocations_resumed(context: Context) -> AsyncIterator[None]:
    """A lifespan of the application: what an earlier server has taken is answered by this one."""
    try:
        left = await asyncio.to_thread(context.workspace.records.list, KIND, ascending=True)
        for record in left:
            _go_on(context, Taken(**record.document))
    except TintypeError as error:
        log.warning("asynchronous invocations could not be resumed: %s", error)
    yield
    for task in list(_under_way):                       # they stay written down
        task.cancel()


def _take(context: Context, request: Members) -> tuple[Taken, Members]:
    name = request["EndpointName"]
    serving_endpoint(context, name)
    configuration = kept_configuration(context, name)
    output = (configuration.get("AsyncInferenceConfig") or {}).get("OutputConfig") or {}
    if not output.get("S3OutputPath"):
        raise AwsFault("ValidationError", f"Endpoint {name} has no AsyncInferenceConfig with an S3OutputPath")
    unique = str(uuid.uuid4())
    object_name = request.get("Filename") or f"{unique}.out"
    good, good_file = _target(context, output["S3OutputPath"], object_name)
    bad, bad_file = _target(context, output.get("S3FailurePath") or output["S3OutputPath"], f"{object_name}-error.out")
    body = context.workspace.home / "server" / "async" / unique
    content, kind = _input(context, request)
    write_bytes(body, content)
    asked = {"ContentType": kind, **request}
    taken = Taken(
        unique,
        name,
        {member: asked[member] for member in HEADERS if asked.get(member)},
        str(body),
        str(good_file),
        str(bad_file),
        float(request.get("InvocationTimeoutSeconds") or ANSWER_SECONDS),
        context.now().timestamp() + float(request.get("RequestTTLSeconds") or QUEUE_SECONDS),
    )
    context.workspace.records.create(KIND, unique, asdict(taken))
    found = {"InferenceId": request.get("InferenceId") or unique, "OutputLocation": good, "FailureLocation": bad}
    return taken, found


def _go_on(context: Context, taken: Taken) -> None:
    task = asyncio.create_task(_answer(context, taken))
    _under_way.add(task)
    task.add_done_callback(_under_way.discard)


async def _answer(context: Context, taken: Taken) -> None:
    try:
        answered = await _asked(context, taken)
        await asyncio.to_thread(_write_answer, context, Path(taken.answer), answered)
    except AwsFault as fault:
        await asyncio.to_thread(write_bytes, Path(taken.reason), fault.message.encode())
    await asyncio.to_thread(_forget, context, taken)


async def _asked(context: Context, taken: Taken) -> Answered:
    """The answer, as soon as the endpoint gives one. Raises `AwsFault` when it will not."""
    body = await asyncio.to_thread(_body, taken)
    pause = FIRST_PAUSE_SECONDS
    while True:
        try:
            endpoint = await asyncio.to_thread(serving_endpoint, context, taken.endpoint)
            return await ask(context, endpoint, taken.asked, body, taken.seconds)
        except AwsFault as fault:
            later = context.now().timestamp() + pause <= taken.until
            if not (later and await asyncio.to_thread(_may_answer_later, context, taken, fault)):
                raise
        await asyncio.sleep(pause)
        pause = min(2 * pause, LONGEST_PAUSE_SECONDS)


def _may_answer_later(context: Context, taken: Taken, fault: AwsFault) -> bool:
    """It has too much to do, or it is starting again; not so when it has answered, or is there no more."""
    if fault.code == "ServiceUnavailable":
        return True
    if fault.code == "ModelError" and not isinstance(fault.__cause__, httpx.ConnectError):
        return False
    try:
        return find_endpoint(context, taken.endpoint).status not in (Status.FAILED, Status.DELETING)
    except AwsFault:
        return False


def _body(taken: Taken) -> bytes:
    try:
        return Path(taken.body).read_bytes()
    except FileNotFoundError as error:
        raise AwsFault("ValidationError", "The body of this request was removed before it was answered") from error


def _forget(context: Context, taken: Taken) -> None:
    Path(taken.body).unlink(missing_ok=True)
    with contextlib.suppress(NotFound):
        context.workspace.records.delete(KIND, taken.id)


def _input(context: Context, request: Members) -> tuple[bytes, str]:
    """The body, and what the object says that it is; "" when nobody has said so."""
    location = request.get("InputLocation")
    if not location:
        return request.get("Body") or b"", ""
    path = locate(context.buckets, location)
    if is_url(path) or not Path(path).is_file():
        raise AwsFault("ValidationError", f"InputLocation {location} is no object in a bucket of this server")
    kind = attributes.read(path, os.stat(path), context.buckets.aside).headers.get("ContentType", DEFAULT_TYPE)
    return Path(path).read_bytes(), "" if kind == DEFAULT_TYPE else kind


def _write_answer(context: Context, file: Path, answered: Answered) -> None:
    """The object, with its type: readers choose by it how to read it."""
    kind = answered.headers.get("content-type") or DEFAULT_TYPE
    etag = hashlib.md5(answered.content, usedforsecurity=False).hexdigest()
    with atomic_file(file) as stream:
        stream.write(answered.content)
        stream.flush()
        attributes.write(stream.fileno(), Attributes(etag, {"ContentType": kind}), context.buckets.aside)


def _target(context: Context, prefix: str, name: str) -> tuple[str, Path]:
    folder = destination(context.buckets, prefix)
    if is_url(folder):
        raise AwsFault("ValidationError", f"{prefix} is in no bucket of this server")
    return f"{prefix.rstrip('/')}/{name}", Path(folder) / name
