"""The server of a home: one process, one port, until it is told to stop."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import final

import uvicorn
from starlette.applications import Starlette
from starlette.responses import RedirectResponse
from starlette.routing import Route

from tintype.errors import Conflict, InvalidRequest
from tintype.web.account import Account
from tintype.web.api.async_invocations import invocations_resumed
from tintype.web.api.operations import OPERATIONS
from tintype.web.app import App, Lifespan, Parts
from tintype.web.context import Context
from tintype.web.engine_at_hand import engine_at_hand
from tintype.web.invocations_kept import invocations_kept
from tintype.web.keys import home_key
from tintype.web.pages.routes import page_routes
from tintype.web.pages.session import LOOPBACK_NAMES, Session, open_session
from tintype.web.presence import only_server, say_where
from tintype.web.resumption import work_resumed
from tintype.web.s3.buckets import Buckets
from tintype.web.s3.placing import recover
from tintype.web.services import SCOPES, model
from tintype.workspace import Workspace

KEEP_ALIVE_SECONDS = 120        # clients that poll every 30 s or so keep their connection
STOP_SECONDS = 10               # for answers that are under way when the server is told to stop
EVERYWHERE = ("0.0.0.0", "::", "")

LIFESPANS: tuple[Lifespan, ...] = (engine_at_hand, work_resumed, invocations_resumed, invocations_kept)
"""What is started with the server and ended with it, in this order."""


@final
@dataclass(frozen=True)
class Running:
    """A server that takes requests."""

    url: str
    sign_in_url: str            # for a browser, once
    default_bucket: str


def serve(workspace: Workspace, host: str, port: int, on_ready: Callable[[Running], None]) -> None:
    """Serve until SIGINT or SIGTERM; `port` 0 is a free one. Finishes the answers that are under way.

    Raises `Conflict` when this home has a server, or the port is taken; `InvalidRequest` for a host that is not ours.
    """
    home = workspace.home
    with only_server(home), _bound(host, port) as listening:
        url = _url(host, listening.getsockname()[1])
        context = make_context(workspace, url)
        session = open_session(home / "server" / "pages-token", LOOPBACK_NAMES | {host})
        app = App(Parts(context, OPERATIONS, _pages(workspace, session), LIFESPANS))
        say_where(home, url)
        sign_in = f"{url}/ui/sign-in?token={session.token}"
        server = _Server(_config(app), lambda: on_ready(Running(url, sign_in, context.account.default_bucket)))
        server.run(sockets=[listening])


def make_context(workspace: Workspace, url: str) -> Context:
    """What operations work with, the home's key and buckets made ready."""
    buckets = Buckets(workspace.home / "s3")
    buckets.prepare()
    recover(buckets)
    account = Account()
    buckets.create(account.default_bucket, account.region)
    return Context(workspace, account, home_key(workspace.home), buckets, url, lambda: datetime.now(UTC))


def load_models() -> None:
    """Read botocore's models before the first request asks for one."""
    for services in SCOPES.values():
        for service in services:
            _ = model(service).operation_names


def _config(app: App) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=STOP_SECONDS,
        lifespan="on",
        ws="none",
    )


@final
class _Server(uvicorn.Server):
    """uvicorn's, which says when it takes requests."""

    def __init__(self, config: uvicorn.Config, on_ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_ready = on_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """As uvicorn's; then say so."""
        await super().startup(sockets)
        if self.started:
            self._on_ready()


def _pages(workspace: Workspace, session: Session) -> Starlette:
    home = Route("/", lambda request: RedirectResponse("/ui/"), methods=["GET"])
    return Starlette(routes=[home, *page_routes(workspace, session)])


@contextmanager
def _bound(host: str, port: int) -> Iterator[socket.socket]:
    try:
        family, kind, _, _, address = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM)[0]
    except OSError as error:
        raise InvalidRequest(f"--host {host!r} is no address of this machine: {error}") from error
    with socket.socket(family, kind) as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind(address)
        except OSError as error:
            raise Conflict(f"cannot listen at {host}:{port}: {error.strerror}; choose another --port") from error
        listening.set_inheritable(False)
        yield listening


def _url(host: str, port: int) -> str:
    name = "127.0.0.1" if host in EVERYWHERE else f"[{host}]" if ":" in host else host
    return f"http://{name}:{port}"
