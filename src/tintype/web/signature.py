"""Who signed a request: AWS's Signature Version 4, in the headers or in the query of a presigned URL.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html. What is decided here is
whether the holder of the key made exactly this request, lately. The body is part of it by its SHA-256, which is
checked where the body is read. The codes are S3's; `refusals` has the other services'.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import final
from urllib.parse import quote, unquote

from tintype.web.faults import AwsFault
from tintype.web.keys import KeyPair
from tintype.web.message import Request

ALGORITHM = "AWS4-HMAC-SHA256"
SKEW = timedelta(minutes=15)
LONGEST_SECONDS = 7 * 24 * 3600         # that a presigned URL may be good for
UNSIGNED = "UNSIGNED-PAYLOAD"
MOMENT = re.compile(r"\d{8}T\d{6}Z")
HEX_SHA256 = re.compile(r"[0-9a-f]{64}")
WRONG_SIGNATURE = (
    "The request signature we calculated does not match the signature you provided. Check your key and signing method."
)
QUERY_NAMES = ("X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Date", "X-Amz-SignedHeaders", "X-Amz-Signature")


@final
@dataclass(frozen=True)
class Claim:
    """What a request says of its signature."""

    key_id: str
    moment: str                     # 20260131T235959Z
    region: str
    service: str                    # the credential scope: s3, sagemaker, logs, ...
    signed_headers: tuple[str, ...]
    signature: str
    expires_seconds: int | None     # None: signed in the headers

    @property
    def scope(self) -> str:
        """The credential scope as it is signed."""
        return f"{self.moment[:8]}/{self.region}/{self.service}/aws4_request"


def read_claim(request: Request) -> Claim | None:
    """The claim, or None when the request is not signed in this way. Raises `AwsFault` when it is malformed."""
    authorization = request.header("authorization")
    if authorization.startswith(ALGORITHM):
        return _from_header(request, authorization)
    if "X-Amz-Signature" in request.query and request.parameters.get("X-Amz-Algorithm") == ALGORITHM:
        return _from_query(request)
    return None


def verify(claim: Claim, request: Request, payload_hash: str, key: KeyPair, now: datetime) -> None:
    """Nothing, when `key` signed this request within the last minutes. Raises `AwsFault`."""
    check_holder(claim, key, now)
    secret = signing_key(key.secret_access_key, claim)
    # Letters beyond ASCII in headers are signed as UTF-8, but some clients send them as Latin-1.
    texts = (string_to_sign(claim, request, payload_hash, encoding) for encoding in ("latin-1", "utf-8"))
    if not any(hmac.compare_digest(_hmac(secret, one).hex().encode(), claim.signature.encode()) for one in texts):
        raise AwsFault("SignatureDoesNotMatch", WRONG_SIGNATURE, 403)


def check_holder(claim: Claim, key: KeyPair, now: datetime) -> None:
    """What can be known before the body: whose key, and when. Raises `AwsFault`."""
    if not hmac.compare_digest(claim.key_id.encode(), key.access_key_id.encode()):
        raise AwsFault("InvalidAccessKeyId", "The AWS Access Key Id you provided does not exist in our records.", 403)
    signed_at = datetime.strptime(claim.moment, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    if claim.expires_seconds is None:
        if abs(now - signed_at) > SKEW:
            raise AwsFault(
                "RequestTimeTooSkewed",
                f"The difference between the request time ({claim.moment}) and the current time is too large.",
                403,
            )
    elif now > signed_at + timedelta(seconds=claim.expires_seconds):
        raise AwsFault("AccessDenied", "Request has expired", 403)
    elif signed_at - now > SKEW:
        raise AwsFault("AccessDenied", "Request is not yet valid", 403)


def string_to_sign(claim: Claim, request: Request, payload_hash: str, encoding: str = "latin-1") -> str:
    """The text that was signed; `encoding` is what makes bytes of the request, which came as Latin-1 as HTTP has it."""
    canonical = _canonical_request(claim, request, payload_hash)
    digest = hashlib.sha256(canonical.encode(encoding)).hexdigest()
    return f"{ALGORITHM}\n{claim.moment}\n{claim.scope}\n{digest}"


def signing_key(secret: str, claim: Claim) -> bytes:
    """The key of a day, a region and a service."""
    return _derived(secret, claim.moment[:8], claim.region, claim.service)


def sha256(body: bytes) -> str:
    """The hex SHA-256 of a body, which is what is signed of it."""
    return hashlib.sha256(body).hexdigest()


@lru_cache(256)
def _derived(secret: str, date: str, region: str, service: str) -> bytes:
    key = f"AWS4{secret}".encode()
    for part in (date, region, service, "aws4_request"):
        key = _hmac(key, part)
    return key


def _hmac(key: bytes, text: str) -> bytes:
    return hmac.digest(key, text.encode(), "sha256")


def _from_header(request: Request, authorization: str) -> Claim:
    pairs = [one.partition("=") for one in authorization.removeprefix(ALGORITHM).split(",")]
    fields = {name.strip(): value.strip() for name, _, value in pairs}
    missing = [name for name in ("Credential", "SignedHeaders", "Signature") if not fields.get(name)]
    if missing:
        raise AwsFault("AuthorizationHeaderMalformed", f"The authorization header has no {missing[0]}.")
    moment = request.header("x-amz-date")
    if not MOMENT.fullmatch(moment):
        raise AwsFault("AccessDenied", "AWS authentication requires a valid Date or x-amz-date header", 403)
    claim = _claim(fields["Credential"], moment, fields["SignedHeaders"], fields["Signature"], None)
    unsigned = [name for name in request.headers if name.startswith("x-amz-") and name not in claim.signed_headers]
    if unsigned:
        message = f"There were headers present in the request which were not signed: {unsigned[0]}"
        raise AwsFault("AccessDenied", message, 403)
    return claim


def _from_query(request: Request) -> Claim:
    found = request.parameters
    missing = [name for name in (*QUERY_NAMES, "X-Amz-Expires") if not found.get(name)]
    if missing:
        raise AwsFault(
            "AuthorizationQueryParametersError", f"Query-string authentication requires the {missing[0]} parameter."
        )
    expires = found["X-Amz-Expires"]
    if not (expires.isascii() and expires.isdigit() and len(expires) < 8 and int(expires) <= LONGEST_SECONDS):
        raise AwsFault("AuthorizationQueryParametersError", "X-Amz-Expires must be from 0 to 604800 seconds")
    credential, moment, signed, given = (found[name] for name in QUERY_NAMES[1:])
    return _claim(credential, moment, signed, given, int(expires))


def _claim(credential: str, moment: str, signed_headers: str, signature: str, expires: int | None) -> Claim:
    parts = credential.split("/")
    if not (credential.isascii() and signed_headers.isascii()):
        raise AwsFault("AuthorizationHeaderMalformed", "The credential and the names of headers are plain ASCII.")
    if len(parts) != 5 or parts[4] != "aws4_request" or not MOMENT.fullmatch(moment) or parts[1] != moment[:8]:
        raise AwsFault(
            "AuthorizationHeaderMalformed",
            "The authorization header is malformed; the Credential is mal-formed; expecting "
            '"<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request" of the day of x-amz-date.',
        )
    try:
        datetime.strptime(moment, "%Y%m%dT%H%M%SZ")
    except ValueError as error:
        raise AwsFault("AccessDenied", f"{moment} is no moment in time", 403) from error
    names = tuple(signed_headers.split(";"))
    if "host" not in names:
        raise AwsFault("AuthorizationHeaderMalformed", "The host header must be signed.")
    return Claim(parts[0], moment, parts[2], parts[3], names, signature, expires)


def _canonical_request(claim: Claim, request: Request, payload_hash: str) -> str:
    headers = "".join(f"{name}:{' '.join(request.header(name).split())}\n" for name in claim.signed_headers)
    return "\n".join(
        (
            request.method,
            # S3's keys are signed as they are sent; elsewhere a path is encoded once more
            request.path if claim.service == "s3" else quote(request.path, safe="/~"),
            _canonical_query(request.query),
            headers,
            ";".join(claim.signed_headers),
            payload_hash,
        )
    )


def _canonical_query(query: str) -> str:
    pairs = [piece.partition("=") for piece in query.split("&") if piece]
    encoded = [(_recoded(name), _recoded(value)) for name, _, value in pairs]
    return "&".join(f"{name}={value}" for name, value in sorted(encoded) if name != "X-Amz-Signature")


def _recoded(text: str) -> str:
    return quote(unquote(text, errors="surrogateescape"), safe="-_.~", errors="surrogateescape")
