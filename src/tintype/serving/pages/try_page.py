"""The page of an endpoint: drop a picture, see its classes and where the network looks, and how the endpoint is doing.

    GET  /              the page; it shows nothing but the endpoint's name until the panel has been had
    GET  /try/panel     what changes, as HTML; the page fetches it every two seconds
    GET  /try/facts     the same as JSON
    POST /try/explain   a picture in, where the network looks out
    GET  /try/page.css, /try/page.js

The classes come from /invocations, as any caller's do. Nothing is loaded from elsewhere, the page's policy lets only
its own files run, and what shows or costs something is refused to other sites' pages: by the token when there is one;
else by Origin and by Host, which must name this machine, so that no name that points here by a trick will do.
"""

from __future__ import annotations

from functools import cache
from http import HTTPStatus
from importlib import import_module
from pathlib import Path
from typing import Any, final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import BaseRoute, Route

from tintype.errors import Busy, Unauthorised, Unsupported
from tintype.serving.explanations.explainer import Explainer
from tintype.serving.front.admission import check_token, host_named, is_foreign, read_body
from tintype.serving.front.caller import Caller
from tintype.serving.front.listening import is_loopback
from tintype.serving.front.service import Service
from tintype.serving.pages.wording import age, percent, seconds
from tintype.serving.variants.live_endpoint import LiveEndpoint
from tintype.serving.variants.running_variant import RunningVariant

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
FILES = {"page.css": "text/css; charset=utf-8", "page.js": "text/javascript; charset=utf-8"}
OWN_SITES = {"same-origin", "none"}     # of Sec-Fetch-Site: this page, or the person at the browser


@final
class TryPage:
    """The page of one live endpoint."""

    def __init__(self, name: str, live: LiveEndpoint, explainer: Explainer | None = None) -> None:
        self._name = name
        self._live = live
        self._explainer = explainer or Explainer()

    @property
    def routes(self) -> tuple[BaseRoute, ...]:
        """What is to be added to the server's own."""
        return (
            Route("/", self.page, methods=["GET"]),
            Route("/try/panel", self.panel, methods=["GET"]),
            Route("/try/facts", self.facts, methods=["GET"]),
            Route("/try/explain", self.explain, methods=["POST"]),
            Route("/try/{file}", self.file, methods=["GET"]),
        )

    async def page(self, request: Request) -> Response:
        """The page without its panel."""
        check_host(request)
        needs_token = request.app.state.service.token is not None
        page = _template("page.html").render(name=self._name, needs_token=needs_token, url=str(request.base_url))
        return HTMLResponse(page, headers=HEADERS)

    async def panel(self, request: Request) -> Response:
        """Variants, latency by phase, drift, shadows, recent requests."""
        check_caller(request)
        return HTMLResponse(_template("panel.html").render(facts=self._live.facts()), headers=HEADERS)

    async def facts(self, request: Request) -> Response:
        """What the panel shows, for programs."""
        check_caller(request)
        return JSONResponse({"name": self._name, **self._live.facts()})

    async def explain(self, request: Request) -> Response:
        """Where the network of a variant looks. `Unsupported` for a script of one's own."""
        check_caller(request)
        service: Service = request.app.state.service
        settings = service.settings
        running = self._explainable(request.query_params.get("variant"))
        if running.archive is None:
            raise Unsupported("where a script's model looks cannot be told; only archives of our own can")
        with service.room.share() as take:
            body = await read_body(
                Caller.of(request.scope), request.receive, settings.body_limit_bytes, settings.body_seconds, take
            )
            return JSONResponse(await self._explainer.explain(running.archive.directory, body), headers=HEADERS)

    async def file(self, request: Request) -> Response:
        """The style and the script."""
        name = request.path_params["file"]
        if name not in FILES:
            raise HTTPException(HTTPStatus.NOT_FOUND)
        return Response(_text(name), headers={**HEADERS, "Content-Type": FILES[name]})

    def _explainable(self, variant: str | None) -> RunningVariant:
        routes = self._live.routes
        if not routes:
            raise Busy("the endpoint is starting; try again in a moment")
        named = [route for route in routes if route.variant == variant] or routes
        return max(named, key=lambda route: route.weight).to


def check_caller(request: Request) -> None:
    """`Unauthorised` for a request that another site's page may have sent, or that lacks the token."""
    token = request.app.state.service.token
    check_token(request.headers.get("authorization"), token)
    if token is None:
        check_host(request)
    if is_foreign(request.headers) or request.headers.get("sec-fetch-site", "none") not in OWN_SITES:
        raise Unauthorised("this is not for other sites' pages; open the endpoint's own page")


def check_host(request: Request) -> None:
    """`Unauthorised` when a server without a token is asked by a name that is not this machine's."""
    host = host_named(request.headers)
    if request.app.state.service.token is None and not is_loopback(host):
        raise Unauthorised(f"{host[:80]!r} is not this machine; open the page at 127.0.0.1, or have a token asked for")


def _template(name: str) -> Any:
    return _environment().get_template(name)


@cache
def _environment() -> Any:
    jinja = import_module("jinja2")         # when somebody looks: an endpoint is ready sooner without
    made = jinja.Environment(
        loader=jinja.PackageLoader("tintype.serving", "pages"),
        autoescape=True,
        undefined=jinja.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters.update(percent=percent, seconds=seconds, age=age)
    return made


@cache
def _text(name: str) -> bytes:
    return (Path(__file__).parent / name).read_bytes()
