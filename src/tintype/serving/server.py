"""A predictor behind HTTP, by SageMaker's inference contract: GET /ping and POST /invocations.

The event loop only moves bytes: pictures are decoded in a pool of threads (the decoders let go of the interpreter),
the network runs in a thread of its own with all cores, one request after another. Knows nothing of processes; see
`__main__` and `process` for those.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import final

import numpy as np
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tintype.errors import TooLarge
from tintype.serving.accept import AnswerFormat, negotiate
from tintype.serving.admission import Queue, check_token, read_body
from tintype.serving.content_types import read_request, write_answer
from tintype.serving.inputs import count
from tintype.serving.predictor import Predictor
from tintype.serving.refusals import EXCEPTION_HANDLERS
from tintype.serving.settings import ServerSettings


@final
@dataclass(frozen=True, eq=False)
class Service:
    """What the routes work with. Fields only."""

    predictor: Predictor
    settings: ServerSettings
    token: str | None
    default_format: AnswerFormat
    queue: Queue
    decoding: Executor
    inference: Executor


def create_app(predictor: Predictor, settings: ServerSettings, token: str | None = None) -> Starlette:
    """The ASGI application. With a `token`, /invocations asks for it; /ping never does."""
    service = Service(
        predictor,
        settings,
        token,
        AnswerFormat.parse(settings.default_accept),
        Queue(settings.queue_capacity),
        ThreadPoolExecutor(settings.decode_threads or os.cpu_count() or 1, "decode"),
        ThreadPoolExecutor(1, "inference"),
    )

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        yield
        service.decoding.shutdown()
        service.inference.shutdown()

    app = Starlette(
        routes=[
            Route("/ping", ping, methods=["GET"]),
            Route("/invocations", invocations, methods=["POST"]),
        ],
        exception_handlers=EXCEPTION_HANDLERS,
        lifespan=lifespan,
    )
    app.state.service = service
    return app


async def ping(request: Request) -> Response:
    """200 with an empty body: the network is loaded and has answered once."""
    return Response()


async def invocations(request: Request) -> Response:
    """The pictures in the body, classified."""
    service: Service = request.app.state.service
    check_token(request.headers.get("authorization"), service.token)
    wanted = negotiate(request.headers.get("accept"), service.default_format)
    run = asyncio.get_running_loop().run_in_executor
    with service.queue.admit():
        body = await read_body(request, service.settings.body_limit_bytes, service.settings.body_seconds)
        images = await run(service.decoding, prepare, service, request.headers.get("content-type"), body)
        predictions = await run(service.inference, service.predictor.infer, images)
        content = await run(service.decoding, write_answer, predictions, wanted)
    return Response(content, media_type=wanted.media_type)


def prepare(service: Service, content_type: str | None, body: bytes) -> np.ndarray:
    """The body as what the network is fed: float32 (n, 3, size, size)."""
    inputs = read_request(content_type, body)
    found, most = count(inputs), service.settings.images_per_request
    if found > most:
        raise TooLarge(f"the request has {found:,} pictures, and the limit is {most}; send it in parts")
    return service.predictor.prepare(inputs)
