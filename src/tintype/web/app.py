"""The server as an ASGI application: a request is understood, done, and answered.

The event loop moves bytes and checks signatures; operations run in threads. Requests of browsers go to the pages,
below /ui, where no bucket can be. Everything else must be signed with the key of the home.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass, replace
from types import ModuleType
from typing import Any, final

from tintype.errors import TintypeError
from tintype.web import signature, signature_v2
from tintype.web.api.operation import Operation
from tintype.web.body import ClientGone, Inbound, Receive, pieces, whole
from tintype.web.context import Context
from tintype.web.dispatch import Call, find_call, protocol_of, refusal_of_unsupported
from tintype.web.faults import AwsFault, fault_of
from tintype.web.message import Answer, Members, Request
from tintype.web.refusals import internal, refusal, unsigned
from tintype.web.s3.exchange import Exchange
from tintype.web.wire import constraints, rest_xml_protocol

THREADS = 32
BODY_BYTES = 8 * 1024**2                    # of a request that is not S3's
INVOCATION_BYTES = 32 * 1024**2             # ... and of one to an endpoint
DRAINED_BYTES = 8 * 1024**2                 # of a body that nobody wants, before the connection is closed
PAGES = "/ui"

Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
ASGIApp = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]
Lifespan = Callable[[Context], AbstractAsyncContextManager[None]]

log = logging.getLogger(__name__)


@final
@dataclass(frozen=True)
class Parts:
    """What the application is put together from."""

    context: Context                                    # whose region is replaced by each request's
    operations: Mapping[tuple[str, str], Operation]
    pages: ASGIApp | None = None
    lifespans: tuple[Lifespan, ...] = ()                # entered when the server starts, left when it stops


@final
class App:
    """The application."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._threads = ThreadPoolExecutor(THREADS, "operation")
        self._hashing = ThreadPoolExecutor(4, "body")       # apart, so that operations that wait do not stop uploads
        self._s3 = Exchange(self._hashing)

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """ASGI 3: HTTP and lifespan."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        if scope["type"] != "http":                     # a websocket, which nobody here speaks
            await send({"type": "websocket.close", "code": 1000})
            return
        request = _request(scope)
        if self._parts.pages is not None and _is_for_pages(request):
            await self._parts.pages(scope, receive, send)
            return
        request_id = secrets.token_hex(8).upper()
        inbound = Inbound(receive, is_empty=not _has_body(request))
        try:
            answer = await self._answer(request, inbound, request_id)
        except ClientGone:
            return
        await _leave_no_rest(request, inbound, answer)
        await _send(answer, request, request_id, inbound, send)

    async def _answer(self, request: Request, receive: Receive, request_id: str) -> Answer:
        protocol: ModuleType = rest_xml_protocol
        service = "s3"
        try:
            claim = signature.read_claim(request)
            if claim is None:
                protocol, service = protocol_of(request, _guess_scope(request)), ""
                return await self._without_claim(request, receive)
            protocol, service = protocol_of(request, claim.service), claim.service
            signature.check_holder(claim, self._parts.context.key, self._parts.context.now())
            context = self._context(claim.region)
            if claim.service == "s3":
                return await self._s3.answer(context, request, claim, receive, self._run)
            body = await whole(pieces(receive), _limit(request))
            signature.verify(claim, request, signature.sha256(body), context.key, context.now())
            call = find_call(request, claim.service, body)
            service = call.service
            return await self._called(context, call, request, body)
        except AwsFault as fault:
            return refusal(fault, protocol, request, request_id)
        except TintypeError as error:
            log.info("%s refused a request: %s", service, error)
            return refusal(fault_of(error, service), protocol, request, request_id)
        except ClientGone:
            raise
        except Exception:
            log.exception("request %s: %s %s", request_id, request.method, request.path)
            return refusal(internal(request_id), protocol, request, request_id)

    async def _without_claim(self, request: Request, receive: Receive) -> Answer:
        """A URL of the older signature, or nobody's."""
        context = self._parts.context
        if not signature_v2.is_claimed(request):
            raise unsigned()
        signature_v2.verify(request, context.key, context.now())
        return await self._s3.answer(context, request, None, receive, self._run)

    async def _called(self, context: Context, call: Call, request: Request, body: bytes) -> Answer:
        operation = self._parts.operations.get((call.service, call.operation.name))
        if operation is None:
            supported = [name for service, name in self._parts.operations if service == call.service]
            raise refusal_of_unsupported(call, supported)
        if inspect.iscoroutinefunction(operation):
            members = await self._run(_parsed, call, request, body)
            return _encoded(call, await operation(context, members))
        return await self._run(lambda: _encoded(call, operation(context, _parsed(call, request, body))))

    async def _run(self, function: Callable[..., Any], *arguments: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._threads, function, *arguments)

    def _context(self, region: str) -> Context:
        context = self._parts.context
        return context if region == context.region else replace(context, account=context.account.within(region))

    async def _live(self, receive: Receive, send: Send) -> None:
        async with AsyncExitStack() as stack:
            stack.callback(self._threads.shutdown, wait=False, cancel_futures=True)
            stack.callback(self._hashing.shutdown, wait=False)
            await receive()
            try:
                for one in self._parts.lifespans:
                    await stack.enter_async_context(one(self._parts.context))
            except Exception as error:
                log.exception("the server cannot start")
                await send({"type": "lifespan.startup.failed", "message": str(error)})
                return
            await send({"type": "lifespan.startup.complete"})
            await receive()
        await send({"type": "lifespan.shutdown.complete"})


def _parsed(call: Call, request: Request, body: bytes) -> Members:
    members: Members = call.protocol.parse(call.operation, request, body)
    constraints.check(call.service, call.operation.input_shape, members)
    return members


def _encoded(call: Call, result: Any) -> Answer:
    answer: Answer = call.protocol.answer(call.operation, result)
    return answer


async def _leave_no_rest(request: Request, inbound: Inbound, answer: Answer) -> None:
    """After a refusal the body may be there still, or may never come, as with a client that waits to be told to send
    it.
    """
    if not inbound.is_over and not request.header("expect"):
        await inbound.drain(DRAINED_BYTES)
    if not inbound.is_over:
        answer.headers["connection"] = "close"


async def _send(answer: Answer, request: Request, request_id: str, inbound: Inbound, send: Send) -> None:
    headers = {"x-amzn-requestid": request_id, "x-amz-request-id": request_id, **answer.headers}
    names = {name.lower() for name in headers}
    if isinstance(answer.body, bytes) and "content-length" not in names:
        headers["content-length"] = str(len(answer.body))
    encoded = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
    start = {"type": "http.response.start", "status": answer.status, "headers": encoded}
    if isinstance(answer.body, bytes):
        await send(start)
        await send({"type": "http.response.body", "body": b"" if request.method == "HEAD" else answer.body})
        return
    await _send_pieces(answer.body, start, inbound, send)


async def _send_pieces(
    body: AsyncIterator[bytes], start: MutableMapping[str, Any], inbound: Inbound, send: Send
) -> None:
    """What fails halfway breaks the connection off: the status has been sent, and the client must not take it for
    all.
    """
    gone = asyncio.ensure_future(inbound())             # after the body, the next event is that the client has left
    try:
        await send(start)
        async for piece in body:
            if gone.done() and gone.result()["type"] == "http.disconnect":
                return
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b""})
    finally:
        gone.cancel()


def _request(scope: MutableMapping[str, Any]) -> Request:
    headers: dict[str, str] = {}
    for name, value in scope["headers"]:
        key, text = name.decode("latin-1"), value.decode("latin-1")
        headers[key] = f"{headers[key]},{text}" if key in headers else text
    path = scope.get("raw_path") or scope["path"].encode()
    return Request(scope["method"], path.decode("latin-1"), scope["query_string"].decode("latin-1"), headers)


def _has_body(request: Request) -> bool:
    return request.header("content-length") not in ("", "0") or "transfer-encoding" in request.headers


def _is_for_pages(request: Request) -> bool:
    if request.path == PAGES or request.path.startswith(f"{PAGES}/"):
        return True
    signed = "authorization" in request.headers or request.query
    return request.path == "/" and not signed and "text/html" in request.header("accept")


def _guess_scope(request: Request) -> str:
    """Of a request that says nothing of who signed it: in which protocol to say no."""
    if "x-amz-target" in request.headers:
        return "sagemaker"
    return "sts" if request.method == "POST" and request.path == "/" else "s3"


def _limit(request: Request) -> int:
    return INVOCATION_BYTES if request.path.startswith("/endpoints/") else BODY_BYTES

