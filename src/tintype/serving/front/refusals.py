"""The one shape of every error answer, and the one place where errors become HTTP.

    {"error": {"status": 413, "type": "TooLarge", "message": "what happened, to what, and what to do"}}
"""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from tintype.errors import Busy, TintypeError, Unauthorised

log = logging.getLogger("tintype.serving")

CLIENT_CLOSED_REQUEST = 499         # nobody reads it; nginx's number for the log


def refusal(status: int, kind: str, message: str, headers: dict[str, str] | None = None) -> JSONResponse:
    """An error answer."""
    return JSONResponse({"error": {"status": status, "type": kind, "message": message}}, status, headers)


def busy(error: Busy) -> JSONResponse:
    """429, and when to come again."""
    retry = {"Retry-After": str(math.ceil(error.retry_after_seconds))}
    return refusal(error.http_status, type(error).__name__, str(error), retry)


async def on_tintype_error(request: Request, error: TintypeError) -> Response:
    """An error that was raised on purpose: its own status and message."""
    headers: dict[str, str] = {}
    if isinstance(error, Busy):
        return busy(error)
    if error.http_status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        log.error("%s %s: %s", request.method, request.url.path, error)
    if isinstance(error, Unauthorised):
        headers["WWW-Authenticate"] = "Bearer"
    return refusal(error.http_status, type(error).__name__, str(error), headers)


async def on_http_error(request: Request, error: HTTPException) -> Response:
    """No such route, a method that it does not take, a body that came too slowly."""
    kind = HTTPStatus(error.status_code).phrase.title().replace(" ", "")
    hint = HINTS.get(error.status_code)
    message = f"{request.method} {request.url.path}: {hint}" if hint else error.detail
    return refusal(error.status_code, kind, message, dict(error.headers or {}))


async def on_disconnect(request: Request, error: Exception) -> Response:
    """The caller went away while sending; there is nobody to answer."""
    return Response(status_code=CLIENT_CLOSED_REQUEST)


async def on_bug(request: Request, error: Exception) -> Response:
    """Anything else is our fault: the traceback goes to the log, never to the caller."""
    return refusal(500, "InternalError", "the server failed on this request; its log says how")


async def answer_to(request: Request, error: Exception) -> Response:
    """The answer to an error that a route of ours has caught to note it."""
    for kind, answer in EXCEPTION_HANDLERS.items():
        if isinstance(error, kind):
            if kind is Exception:
                log.exception("a request failed", exc_info=error)
            return await answer(request, error)
    raise error


ROUTES = "there are GET /ping and POST /invocations"
HINTS: Mapping[int, str] = {
    HTTPStatus.NOT_FOUND: f"no such path; {ROUTES}",
    HTTPStatus.METHOD_NOT_ALLOWED: f"not a method of this path; {ROUTES}",
}

EXCEPTION_HANDLERS: Mapping[Any, Any] = {
    TintypeError: on_tintype_error,
    HTTPException: on_http_error,
    ClientDisconnect: on_disconnect,
    Exception: on_bug,
}
