"""How a no is said: which code it has in which protocol, and what goes into the log."""

from __future__ import annotations

from types import ModuleType

from tintype.web.faults import AwsFault
from tintype.web.message import Answer, Request
from tintype.web.wire import cbor_protocol, json_protocol, query_protocol, rest_json_protocol, rest_xml_protocol

# Who may not: S3's code → the code elsewhere, in JSON and in the query protocol.
ELSEWHERE: dict[str, tuple[str, str]] = {
    "SignatureDoesNotMatch": ("InvalidSignatureException", "SignatureDoesNotMatch"),
    "InvalidAccessKeyId": ("UnrecognizedClientException", "InvalidClientTokenId"),
    "RequestTimeTooSkewed": ("InvalidSignatureException", "SignatureDoesNotMatch"),
    "AuthorizationHeaderMalformed": ("IncompleteSignatureException", "IncompleteSignature"),
    "AuthorizationQueryParametersError": ("IncompleteSignatureException", "IncompleteSignature"),
    "MissingAuthenticationToken": ("MissingAuthenticationTokenException", "MissingAuthenticationToken"),
    "AccessDenied": ("AccessDeniedException", "AccessDenied"),
    "InvalidArgument": ("ValidationException", "InvalidParameterValue"),
    "InvalidURI": ("ValidationException", "InvalidParameterValue"),
    "SerializationException": ("SerializationException", "MalformedInput"),
    "InternalFailure": ("InternalFailure", "InternalFailure"),
}
IN_S3 = {
    "MissingAuthenticationToken": "AccessDenied",
    "InternalFailure": "InternalError",
    "RequestEntityTooLargeException": "MaxMessageLengthExceeded",
}


def unsigned() -> AwsFault:
    """What is said to a request that nobody signed."""
    return AwsFault(
        "MissingAuthenticationToken", "Request is missing Authentication Token: every request must be signed.", 403
    )


def internal(request_id: str) -> AwsFault:
    """What is said when the error is ours; what it was is in the log of the server."""
    message = f"This should not have happened; the server's log has it under {request_id}."
    return AwsFault("InternalFailure", message, 500)


def refusal(fault: AwsFault, protocol: ModuleType, request: Request, request_id: str) -> Answer:
    """The answer that says no, with the code that the protocol's clients know. A HEAD has no body, and a 304
    neither.
    """
    answer: Answer = protocol.refuse(_translated(fault, protocol), request_id)
    if request.method == "HEAD" or answer.status == 304:
        answer.body = b""
    if fault.status == 304:
        answer.headers = {"ETag": str(fault.members.get("ETag", ""))}
    return answer


def _translated(fault: AwsFault, protocol: ModuleType) -> AwsFault:
    if protocol is rest_xml_protocol:
        code = IN_S3.get(fault.code, fault.code)
    elif protocol in (json_protocol, rest_json_protocol, cbor_protocol):
        code = ELSEWHERE.get(fault.code, (fault.code,))[0]
    else:
        assert protocol is query_protocol  # noqa: S101
        code = ELSEWHERE.get(fault.code, ("", fault.code))[1]
    return AwsFault(code, fault.message, fault.status, fault.members)
