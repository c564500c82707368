"""An S3 request from its head to its answer: what may be refused is refused before the body is read."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from concurrent.futures import Executor
from typing import Any, final

from tintype.web import signature
from tintype.web.body import Receive, pieces, whole
from tintype.web.context import Context
from tintype.web.dispatch import Call, refusal_of_unsupported
from tintype.web.faults import AwsFault
from tintype.web.message import Answer, Members, Request
from tintype.web.s3.chunked import SIGNED, ChunkSignatures
from tintype.web.s3.intake import Intake, check_payload_hash, mismatch, wanted_sums
from tintype.web.s3.multipart import find_slot
from tintype.web.s3.operations import OPERATIONS, STREAMING
from tintype.web.s3.routing import find_operation
from tintype.web.s3.spooled import Spool
from tintype.web.signature import HEX_SHA256, UNSIGNED, Claim
from tintype.web.wire import constraints, rest_xml_protocol

DOCUMENT_BYTES = 4 * 1024**2            # of XML: ten thousand parts, or a thousand keys
LARGEST_PUT = 5 * 1024**3               # of one request, as in S3

Run = Callable[..., Awaitable[Any]]


@final
class Exchange:
    """S3's side of the server."""

    def __init__(self, hashing: Executor) -> None:
        self._hashing = hashing

    async def answer(
        self, context: Context, request: Request, claim: Claim | None, receive: Receive, run: Run
    ) -> Answer:
        """Done in a thread by `run`. Without a claim the signature has been checked. Raises `AwsFault`,
        `TintypeError`.
        """
        payload_hash = _payload_hash(request, claim)
        if claim is not None:
            signature.verify(claim, request, payload_hash, context.key, context.now())
        operation, request = find_operation(request)
        call = Call(operation, rest_xml_protocol)
        function = OPERATIONS.get(operation.name)
        if function is None:
            raise refusal_of_unsupported(call, OPERATIONS)
        _check_owner(context, request)
        if operation.name not in STREAMING:
            body = await whole(pieces(receive), DOCUMENT_BYTES)
            if HEX_SHA256.fullmatch(payload_hash) and signature.sha256(body) != payload_hash:
                raise mismatch()
            done: Answer = await run(lambda: _done(call, function, context, _parsed(call, request, body)))
            return done
        members = _parsed(call, request, b"")
        _check_length(request)
        context.buckets.directory(members["Bucket"])
        signatures = None
        if payload_hash in SIGNED and claim is not None:
            signatures = ChunkSignatures(claim, signature.signing_key(context.key.secret_access_key, claim))
        with_sha256 = bool(HEX_SHA256.fullmatch(payload_hash))
        sums, slot = wanted_sums(request), None
        if operation.name == "UploadPart":
            slot = await run(find_slot, context, members, _length(request))
        with Spool(context.buckets.spool, sha256=with_sha256, algorithms=sums, slot=slot) as spool:
            intake = Intake(payload_hash, signatures)
            members["Body"] = await intake.take(request, pieces(receive), spool, self._hashing)
            kept: Answer = await run(_done, call, function, context, members)
            return kept


def _payload_hash(request: Request, claim: Claim | None) -> str:
    """What the body must be: presigned URLs leave that open."""
    if claim is None or claim.expires_seconds is not None:
        said = request.parameters.get("X-Amz-Content-Sha256", "") or request.header("x-amz-content-sha256")
        check_payload_hash(said or UNSIGNED)
        return said or UNSIGNED
    said = request.header("x-amz-content-sha256")
    if not said:
        raise AwsFault("InvalidRequest", "Missing required header for this request: x-amz-content-sha256")
    check_payload_hash(said)
    return said


def _done(call: Call, function: Callable[[Context, Members], Members], context: Context, members: Members) -> Answer:
    return rest_xml_protocol.answer(call.operation, function(context, members))


def _parsed(call: Call, request: Request, body: bytes) -> Members:
    members = rest_xml_protocol.parse(call.operation, request, body)
    constraints.check("s3", call.operation.input_shape, members)
    if members.get("VersionId") not in (None, "null"):
        raise AwsFault("NoSuchVersion", "The specified version does not exist: buckets here keep one.", 404)
    return members


def _check_owner(context: Context, request: Request) -> None:
    expected = request.header("x-amz-expected-bucket-owner")
    if expected and expected != context.account.id:
        raise AwsFault("AccessDenied", "The bucket's owner is another than x-amz-expected-bucket-owner says.", 403)


def _length(request: Request) -> int | None:
    length = request.header("x-amz-decoded-content-length") or request.header("content-length")
    return int(length) if length else None


def _check_length(request: Request) -> None:
    length = request.header("x-amz-decoded-content-length") or request.header("content-length")
    if not length and request.header("transfer-encoding") == "":
        raise AwsFault("MissingContentLength", "You must provide the Content-Length HTTP header.", 411)
    if length and not (length.isascii() and length.isdigit() and len(length) < 20):
        raise AwsFault("InvalidArgument", "Content-Length must be a number")
    if length and int(length) > LARGEST_PUT:
        raise AwsFault("EntityTooLarge", "Your proposed upload exceeds the maximum of 5 GiB; send it in parts.")
