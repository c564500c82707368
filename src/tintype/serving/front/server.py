"""A model behind HTTP, by SageMaker's inference contract: GET /ping, POST /invocations; and what is seen of it.

The event loop only moves bytes: pictures are decoded, networks and scripts run in processes of their own, behind
`Model.invoke`. Knows nothing of processes; see `front` for those.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from http import HTTPStatus
from typing import Any, final

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from tintype.errors import Busy, InvalidRequest
from tintype.serving.front.admission import RETRY_AFTER_SECONDS, Room, check_site, check_token, compressed, read_body
from tintype.serving.front.invocation import Answer, Invocation, Model
from tintype.serving.front.openapi import description
from tintype.serving.front.refusals import CLIENT_CLOSED_REQUEST, EXCEPTION_HANDLERS, answer_to
from tintype.serving.front.request_ids import id_headers, request_id
from tintype.serving.settings import ServerSettings
from tintype.serving.watching.access_log import AccessLog
from tintype.serving.watching.metrics import CONTENT_TYPE, Metrics

ATTRIBUTES = "x-amzn-sagemaker-custom-attributes"
TARGET_VARIANT = "x-amzn-sagemaker-target-variant"
PATIENCE = "x-timeout-seconds"              # how long a caller waits; then 504, and the work is given up
INVOKED_VARIANT = "x-amzn-invoked-production-variant"


@final
@dataclass(frozen=True, eq=False)
class Service:
    """What the routes work with. Fields only."""

    model: Model
    settings: ServerSettings
    token: str | None = None
    metrics: Metrics = field(default_factory=Metrics)
    access_log: AccessLog | None = None
    is_full: Callable[[], bool] = lambda: False     # known before a body is read, so that nobody sends one for nothing
    is_ready: Callable[[], bool] = lambda: True

    @cached_property
    def room(self) -> Room:
        """For the bodies."""
        return Room(self.settings.bodies_limit_bytes)


def create_app(
    service: Service,
    *,
    routes: tuple[BaseRoute, ...] = (),
    lifespan: Callable[[Any], Any] | None = None,
) -> Starlette:
    """The ASGI application. With a token, all but /ping asks for it. `routes` are further ones, which check it
    themselves."""
    app = Starlette(
        routes=[
            Route("/invocations", invocations, methods=["POST"]),
            Route("/ping", ping, methods=["GET"]),
            Route("/metrics", metrics, methods=["GET"]),
            Route("/openapi.json", openapi, methods=["GET"]),
            *routes,
        ],
        exception_handlers=EXCEPTION_HANDLERS,
        lifespan=lifespan,
    )
    app.state.service = service
    return app


async def ping(request: Request) -> Response:
    """200 with an empty body: the model has answered once. 503 while it starts."""
    service: Service = request.app.state.service
    return Response(status_code=HTTPStatus.OK if service.is_ready() else HTTPStatus.SERVICE_UNAVAILABLE)


async def metrics(request: Request) -> Response:
    """The counters, for Prometheus."""
    service: Service = request.app.state.service
    check_token(request.headers.get("authorization"), service.token)
    return Response(service.metrics.text(), headers={"Content-Type": CONTENT_TYPE})


async def openapi(request: Request) -> Response:
    """What can be asked here, for people and for programs."""
    service: Service = request.app.state.service
    return JSONResponse(description(service.settings, needs_token=service.token is not None))


async def invocations(request: Request) -> Response:
    """The model's answer; noted, whatever it is."""
    service: Service = request.app.state.service
    named, arrived = request_id(request.headers), time.monotonic()
    noted = _Noted(named, arrived)
    try:
        response = await _answered(service, request, noted)
    except Exception as error:
        response = await answer_to(request, error)
        noted.error = type(error).__name__
    response.headers.update(id_headers(named))
    _note(service, request, response, noted)
    return response


@dataclass
class _Noted:
    """What is known of a request when it has been answered."""

    request_id: str
    arrived: float                                  # time.monotonic()
    body_bytes: int = 0
    error: str = ""
    variant: str = ""
    phases: dict[str, float] = field(default_factory=dict)


async def _answered(service: Service, request: Request, noted: _Noted) -> Response:
    settings, headers = service.settings, request.headers
    check_site(headers)
    check_token(headers.get("authorization"), service.token)
    deadline = noted.arrived + patience_of(headers.get(PATIENCE), settings.request_seconds)
    if service.is_full():
        raise Busy("the queue is full; send it again shortly", RETRY_AFTER_SECONDS)
    with service.room.share() as take:
        body = await read_body(request, settings.body_limit_bytes, settings.body_seconds, take)
        noted.body_bytes = len(body)
        noted.phases["body"] = time.monotonic() - noted.arrived
        invocation = Invocation(
            noted.request_id,
            body,
            headers.get("content-type"),
            headers.get("accept"),
            deadline,
            headers.get(ATTRIBUTES, ""),
            headers.get(TARGET_VARIANT),
        )
        answer = await _unless_gone(request, service.model.invoke(invocation))
    noted.phases.update(answer.phases)
    noted.variant = answer.variant
    return _written(answer, headers)


def patience_of(header: str | None, most: float) -> float:
    """How many seconds a caller waits for the answer, at most `most`. `InvalidRequest` for what is no number."""
    if header is None:
        return most
    try:
        seconds = float(header)
    except ValueError:
        seconds = math.nan
    if not seconds > 0:
        raise InvalidRequest(f"{PATIENCE} is a number of seconds above 0, got {header[:40]!r}")
    return min(seconds, most)


def _written(answer: Answer, asked: Mapping[str, str]) -> Response:
    headers = {"Content-Type": answer.content_type}
    if answer.variant:
        headers[INVOKED_VARIANT] = answer.variant
    if answer.custom_attributes:
        headers[ATTRIBUTES] = answer.custom_attributes
    packed = compressed(answer.content, asked.get("accept-encoding"))
    if packed is None:
        return Response(answer.content, answer.status, headers)
    headers |= {"Content-Encoding": "gzip", "Vary": "Accept-Encoding"}
    return Response(packed, answer.status, headers)


async def _unless_gone(request: Request, work: Awaitable[Answer]) -> Answer:
    """The answer, unless the caller hangs up first: then the work is given up, and its place in the queue with it."""
    here = asyncio.current_task()
    listening = asyncio.ensure_future(request.receive())        # the body is here: what comes now is the end

    def give_up(_: object) -> None:
        if here is not None and not listening.cancelled():
            here.cancel()

    listening.add_done_callback(give_up)
    try:
        return await work
    except asyncio.CancelledError as error:
        if listening.done() and here is not None and not here.uncancel():
            raise ClientDisconnect from error
        raise
    finally:
        listening.remove_done_callback(give_up)
        listening.cancel()


def _note(service: Service, request: Request, response: Response, noted: _Noted) -> None:
    seconds = time.monotonic() - noted.arrived
    status = response.status_code
    service.metrics.request(status, noted.body_bytes, seconds, noted.phases)
    if service.access_log is not None:
        client = request.client.host if request.client else ""
        entry = {
            "at": round(time.time(), 3),
            "request_id": noted.request_id,
            "client": client,
            "status": status,
            "bytes_in": noted.body_bytes,
            "bytes_out": int(response.headers.get("content-length", 0)) if status != CLIENT_CLOSED_REQUEST else 0,
            "content_type": request.headers.get("content-type", "")[:100],
            "ms": round(seconds * 1000, 2),
            **{f"{name}_ms": round(part * 1000, 2) for name, part in noted.phases.items()},
        }
        if noted.error:
            entry["error"] = noted.error
        if noted.variant:
            entry["variant"] = noted.variant
        service.access_log.write(entry)
