"""ListObjects in its two versions, and ListObjectVersions, in which every object has one version."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import final
from urllib.parse import quote

from tintype.web.context import Context
from tintype.web.faults import AwsFault
from tintype.web.message import Members
from tintype.web.s3 import attributes
from tintype.web.s3.walk import LAST, Found, Walk

MOST_KEYS = 1000            # of a page, as in S3


@final
@dataclass(frozen=True)
class Page:
    """What was asked for and what was found."""

    found: list[Found]
    is_truncated: bool
    most: int


def list_objects_v2(context: Context, request: Members) -> Members:
    """A page of keys, and a token for the next."""
    token = request.get("ContinuationToken")
    after = request.get("StartAfter", "") if token is None else _from_token(token)
    page = _page(context, request, after)
    answer = _answer(context, request, page)
    answer |= {
        "KeyCount": len(page.found),
        "ContinuationToken": token,
        "StartAfter": _shown(request, request.get("StartAfter")),
    }
    if page.is_truncated:
        answer["NextContinuationToken"] = base64.urlsafe_b64encode(_mark(page).encode()).decode()
    if request.get("FetchOwner"):
        answer["Contents"] = _owned(context, answer)
    return answer


def list_objects(context: Context, request: Members) -> Members:
    """A page of keys after a marker."""
    marker, delimiter = request.get("Marker", ""), request.get("Delimiter", "")
    grouped = delimiter and marker.endswith(delimiter) and len(marker) > len(request.get("Prefix", ""))
    page = _page(context, request, marker + LAST if grouped else marker)
    answer = _answer(context, request, page)
    answer |= {"Marker": _shown(request, marker), "Contents": _owned(context, answer)}
    if page.is_truncated and delimiter:
        answer["NextMarker"] = _shown(request, page.found[-1].key)
    return answer


def list_object_versions(context: Context, request: Members) -> Members:
    """Buckets here keep one version of each object, which S3 calls null."""
    page = _page(context, request, request.get("KeyMarker", ""))
    answer = _answer(context, request, page)
    contents = answer.pop("Contents")
    answer["Versions"] = [
        {**one, "VersionId": "null", "IsLatest": True, "Owner": owner(context)} for one in contents
    ]
    answer["KeyMarker"] = _shown(request, request.get("KeyMarker", ""))
    if page.is_truncated:
        answer["NextKeyMarker"] = _shown(request, page.found[-1].key)
    return answer


def owner(context: Context) -> Members:
    """Of everything."""
    return {"DisplayName": "tintype", "ID": context.account.id.rjust(64, "0")}


def last_modified(stat_seconds: float) -> datetime:
    """To the second, as HTTP's headers have it, so that conditions and lists agree."""
    return datetime.fromtimestamp(int(stat_seconds), UTC)


def _page(context: Context, request: Members, after: str) -> Page:
    bucket = context.buckets.directory(request["Bucket"])
    most = min(request.get("MaxKeys", MOST_KEYS), MOST_KEYS)
    if most < 0:
        raise AwsFault("InvalidArgument", "Argument max-keys must be an integer between 0 and 2147483647")
    walk = Walk(Path(bucket), request.get("Prefix", ""), after, request.get("Delimiter", ""))
    found = list(islice(walk.run(), most + 1)) if most else []
    return Page(found[:most], len(found) > most, most)


def _answer(context: Context, request: Members, page: Page) -> Members:
    return {
        "Name": request["Bucket"],
        "Prefix": _shown(request, request.get("Prefix", "")),
        "Delimiter": _shown(request, request.get("Delimiter")),
        "MaxKeys": page.most,
        "EncodingType": request.get("EncodingType"),
        "IsTruncated": page.is_truncated,
        "Contents": [_content(context, request, one) for one in page.found if one.path is not None],
        "CommonPrefixes": [{"Prefix": _shown(request, one.key)} for one in page.found if one.path is None],
    }


def _content(context: Context, request: Members, one: Found) -> Members:
    assert one.path is not None  # noqa: S101
    assert one.stat is not None  # noqa: S101
    return {
        "Key": _shown(request, one.key),
        "LastModified": last_modified(one.stat.st_mtime),
        "ETag": attributes.etag(one.path, one.stat, context.buckets.aside),
        "Size": one.stat.st_size,
        "StorageClass": "STANDARD",
    }


def _owned(context: Context, answer: Members) -> list[Members]:
    return [{**one, "Owner": owner(context)} for one in answer["Contents"]]


def _shown(request: Members, text: str | None) -> str | None:
    """Keys may have letters that XML cannot hold, so clients ask for them percent-encoded."""
    return quote(text) if text and request.get("EncodingType") == "url" else text


def _mark(page: Page) -> str:
    last = page.found[-1]
    return last.key if last.path is not None else last.key + LAST


def _from_token(token: str) -> str:
    try:
        return base64.b64decode(token.encode(), altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError) as error:
        raise AwsFault("InvalidArgument", "The continuation token provided is incorrect") from error
