"""A model behind HTTP, by SageMaker's inference contract: GET /ping, POST /invocations; and what is seen of it.

The event loop only moves bytes: pictures are decoded, networks and scripts run in processes of their own, behind
`Model.invoke`. Knows nothing of processes; see `front` for those.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, final

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from tintype.serving.front.admission import check_token, compressed, read_body
from tintype.serving.front.caller import Caller
from tintype.serving.front.invocation import Answer, Invocation
from tintype.serving.front.openapi import description
from tintype.serving.front.refusals import EXCEPTION_HANDLERS, answer_to
from tintype.serving.front.request_ids import id_headers, request_id
from tintype.serving.front.service import TARGET_VARIANT, Noted, Service
from tintype.serving.watching.metrics import CONTENT_TYPE

METHOD, PATH = "POST", "/invocations"
ATTRIBUTES = "x-amzn-sagemaker-custom-attributes"
INVOKED_VARIANT = "x-amzn-invoked-production-variant"


def create_app(
    service: Service,
    *,
    routes: tuple[BaseRoute, ...] = (),
    lifespan: Callable[[Any], Any] | None = None,
) -> ASGIApp:
    """The ASGI application. With a token, all but /ping asks for it. `routes` are further ones, which check it
    themselves."""
    invocations = Invocations(service)
    app = Starlette(
        routes=[
            Route(PATH, invocations, methods=[METHOD]),
            Route("/ping", ping, methods=["GET"]),
            Route("/metrics", metrics, methods=["GET"]),
            Route("/openapi.json", openapi, methods=["GET"]),
            *routes,
        ],
        exception_handlers=EXCEPTION_HANDLERS,
        lifespan=lifespan,
    )
    app.router.redirect_slashes = False         # it would send callers to whatever host they have named
    app.state.service = service

    async def quick(scope: Scope, receive: Receive, send: Send) -> None:
        """What nearly everybody asks does not go through Starlette's layers: it needs none of them."""
        is_one = scope["type"] == "http" and scope["method"] == METHOD and scope["path"] == PATH
        await (invocations if is_one else app)(scope, receive, send)

    return quick


async def ping(request: Request) -> Response:
    """200 with an empty body: something lives that could answer. 503 while nothing does."""
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


@final
class Invocations:
    """The route of those who ask the model: an ASGI application. What is answered is noted, whatever it is."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        caller, service = Caller.of(scope), self._service
        noted = Noted(request_id(caller.headers), time.monotonic())
        try:
            response = await _answered(service, caller, receive, noted)
        except Exception as error:
            response = await answer_to(Request(scope), error)
            response.headers.update(id_headers(noted.request_id))
            noted.error = type(error).__name__
        noted.seconds = time.monotonic() - noted.arrived
        try:
            await response(scope, receive, send)
        finally:                                        # the caller need not wait for what is noted of him
            service.log(noted, response, scope["client"], caller.headers)
            service.count(noted, response.status_code)


async def _answered(service: Service, caller: Caller, receive: Receive, noted: Noted) -> Response:
    settings, headers = service.settings, caller.headers
    deadline = noted.arrived + service.admit(caller)
    with service.room.share() as take:
        reading = read_body(caller, receive, settings.body_limit_bytes, settings.body_seconds, take)
        if caller.has_sent_all:
            body = await reading
        else:
            with service.coming.one():
                body = await reading
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
        answer = await caller.waits_for(service.model.invoke(invocation))
    noted.phases.update(answer.phases)
    noted.variant = answer.variant
    return _written(answer, noted.request_id, headers.get("accept-encoding"))


def _written(answer: Answer, request_id: str, accept_encoding: str | None) -> Response:
    headers = {"Content-Type": answer.content_type, **id_headers(request_id)}
    if answer.variant:
        headers[INVOKED_VARIANT] = answer.variant
    if answer.custom_attributes:
        headers[ATTRIBUTES] = answer.custom_attributes
    packed = compressed(answer.content, accept_encoding)
    if packed is None:
        return Response(answer.content, answer.status, headers)
    headers |= {"Content-Encoding": "gzip", "Vary": "Accept-Encoding"}
    return Response(packed, answer.status, headers)
