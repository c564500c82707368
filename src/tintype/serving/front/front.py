"""The front: one process that has the endpoint's socket, HTTP and the queues, and through which every request goes.

It inherits the listening socket and a connection to a fork server from the supervisor. What it serves is a `Model`; how
that is made, of one archive or of an endpoint's variants, is not its business.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import math
import os
import shutil
import signal
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import uvicorn
from starlette.routing import BaseRoute

from tintype.serving.front.door import Door
from tintype.serving.front.guarded_protocol import guarded
from tintype.serving.front.invocation import Model
from tintype.serving.front.server import create_app
from tintype.serving.front.service import Service
from tintype.serving.front.surroundings import Surroundings
from tintype.serving.model_definition import ModelDefinition
from tintype.serving.settings import ServerSettings
from tintype.serving.variants.replicas import Replicas
from tintype.serving.watching.access_log import AccessLog, check_place
from tintype.serving.watching.metrics import Metrics
from tintype.serving.workers.nursery import Nursery
from tintype.storage import storage_errors

SECURITY_HEADERS = [("X-Content-Type-Options", "nosniff"), ("Cache-Control", "no-store")]
LEAST_GRACE_SECONDS = 1

log = logging.getLogger("tintype.serving")


@final
@dataclass(frozen=True, eq=False)
class Served:
    """What a front answers with: a model that is ready, and routes besides."""

    model: Model
    routes: tuple[BaseRoute, ...] = ()


Serving = Callable[[ServerSettings, Surroundings], AbstractAsyncContextManager[Served]]


def one_model(definition: ModelDefinition) -> Serving:
    """Serve one model, and nothing else."""

    @contextlib.asynccontextmanager
    async def serving(settings: ServerSettings, around: Surroundings) -> AsyncIterator[Served]:
        replicas = await Replicas.start(definition, settings, around)
        try:
            yield Served(replicas)
        finally:
            await replicas.stop()

    return serving


@final
@dataclass(frozen=True, eq=False)
class Front:
    """What one front is started with."""

    listener: socket.socket
    nursery: Nursery
    settings: ServerSettings
    token: str | None
    scratch: Path                   # a folder for unpacked models, this endpoint's own
    environments: Path              # where those of a script's requirements.txt are kept
    serving: Serving
    on_ready: Callable[[], None]    # told once, when requests are answered


async def serve(front: Front) -> None:
    """Answer until SIGTERM, then drain. Raises what `serving` raises when it cannot start."""
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    settings = front.settings
    metrics = Metrics()
    access_log: AccessLog | None = None
    if settings.access_log:
        check_place(Path(settings.access_log))
        access_log = AccessLog(Path(settings.access_log))
    around = Surroundings(front.nursery, front.scratch, metrics, front.environments)
    with _emptied(front.scratch):
        async with contextlib.AsyncExitStack() as stack:
            starting = asyncio.ensure_future(stack.enter_async_context(front.serving(settings, around)))
            stopping = asyncio.ensure_future(stop.wait())
            await asyncio.wait({starting, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if not starting.done():                 # told to end before it was ready
                starting.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await starting
                return
            served = starting.result()
            service = Service(
                served.model, settings, front.token, metrics, access_log, is_ready=lambda: served.model.is_alive
            )
            await _answer(front, service, served.routes, stopping)
    if access_log:
        access_log.close()


@contextlib.contextmanager
def _emptied(scratch: Path) -> Iterator[None]:
    """A folder without what a front that was killed has left in it; gone at the end."""
    shutil.rmtree(scratch, ignore_errors=True)
    with storage_errors(scratch):
        scratch.mkdir(parents=True, mode=0o700)
    try:
        yield
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


async def _answer(
    front: Front, service: Service, routes: tuple[BaseRoute, ...], stopping: asyncio.Task[Any]
) -> None:
    config = uvicorn.Config(
        create_app(service, routes=routes),
        http=guarded(front.settings, Door(service)),
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        headers=SECURITY_HEADERS,
        timeout_graceful_shutdown=max(LEAST_GRACE_SECONDS, math.ceil(front.settings.drain_seconds)),
    )
    server = uvicorn.Server(config)
    server.capture_signals = contextlib.nullcontext         # pyright: ignore[reportAttributeAccessIssue]  (ours are set)
    answering = asyncio.ensure_future(server.serve(sockets=[front.listener]))
    while not server.started and not answering.done():
        await asyncio.sleep(0)
    gc.freeze()                             # what is there now stays; looking through it again would hold up answers
    front.on_ready()
    await asyncio.wait({answering, stopping}, return_when=asyncio.FIRST_COMPLETED)
    server.should_exit = True
    await answering


def run(front: Front) -> None:
    """`serve` in an event loop of its own; uvloop's where it is installed."""
    factory = uvicorn.Config("", loop="auto", log_config=None).get_loop_factory()
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(serve(front))
    log.info("the front %d has ended", os.getpid())
