"""Presigned S3 URLs of Signature Version 2, which boto3 still makes unless told otherwise.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/RESTAuthentication.html. In the query only: with headers, this
version is not accepted, as it does not cover the body.
"""

from __future__ import annotations

import base64
import hmac
from datetime import datetime

from tintype.web.faults import AwsFault
from tintype.web.keys import KeyPair
from tintype.web.message import Request, decoded_pairs
from tintype.web.signature import WRONG_SIGNATURE

# The parameters that are part of what is signed.
SIGNED_PARAMETERS = frozenset({
    "accelerate", "acl", "analytics", "cors", "defaultObjectAcl", "delete", "inventory", "lifecycle", "location",
    "logging", "metrics", "notification", "object-lock", "partNumber", "policy", "replication", "requestPayment",
    "response-cache-control", "response-content-disposition", "response-content-encoding", "response-content-language",
    "response-content-type", "response-expires", "restore", "select", "select-type", "storageClass", "tagging",
    "torrent", "uploadId", "uploads", "versionId", "versioning", "versions", "website",
})  # fmt: skip


def is_claimed(request: Request) -> bool:
    """Whether the query has a signature of this version."""
    return "AWSAccessKeyId=" in request.query and "Signature=" in request.query


def verify(request: Request, key: KeyPair, now: datetime) -> None:
    """Nothing, when the holder of `key` made this URL and it has not expired. Raises `AwsFault`."""
    found = request.parameters
    expires, signature = found.get("Expires", ""), found.get("Signature", "")
    if not (expires.isascii() and expires.isdigit() and len(expires) < 12):
        message = "Query-string authentication requires the Signature, Expires and AWSAccessKeyId"
        raise AwsFault("AccessDenied", message, 403)
    if not hmac.compare_digest(found.get("AWSAccessKeyId", "").encode(), key.access_key_id.encode()):
        raise AwsFault("InvalidAccessKeyId", "The AWS Access Key Id you provided does not exist in our records.", 403)
    digest = hmac.digest(key.secret_access_key.encode(), string_to_sign(request, expires).encode(), "sha1")
    if not hmac.compare_digest(base64.b64encode(digest), signature.encode()):
        raise AwsFault("SignatureDoesNotMatch", WRONG_SIGNATURE, 403)
    if now.timestamp() > int(expires):
        raise AwsFault("AccessDenied", "Request has expired", 403)


def string_to_sign(request: Request, expires: str) -> str:
    """The text that was signed."""
    amz = sorted((name, value) for name, value in request.headers.items() if name.startswith("x-amz-"))
    signed = sorted(pair for pair in decoded_pairs(request.query) if pair[0] in SIGNED_PARAMETERS)
    query = "&".join(f"{name}={value}" if value else name for name, value in signed)
    return "".join(
        (
            f"{request.method}\n{request.header('content-md5')}\n{request.header('content-type')}\n{expires}\n",
            *(f"{name}:{' '.join(value.split())}\n" for name, value in amz),
            request.path,
            f"?{query}" if query else "",
        )
    )
