"""If-Match and its kin: whether a request goes on, decided from what is there now."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from tintype.web.faults import AwsFault

Conditions = dict[str, Any]


def check_reading(asked: Conditions, etag: str, modified: datetime) -> None:
    """For GET and HEAD, in the order of RFC 9110. Raises `AwsFault` 412, or 304 when the client has it already."""
    if asked.get("IfMatch") is not None:
        if not _matches(asked["IfMatch"], etag):
            raise _failed("If-Match")
    elif asked.get("IfUnmodifiedSince") is not None and modified > asked["IfUnmodifiedSince"]:
        raise _failed("If-Unmodified-Since")
    if asked.get("IfNoneMatch") is not None:
        if _matches(asked["IfNoneMatch"], etag):
            raise AwsFault("NotModified", "Not Modified", 304, {"ETag": f'"{etag}"'})
    elif asked.get("IfModifiedSince") is not None and modified <= asked["IfModifiedSince"]:
        raise AwsFault("NotModified", "Not Modified", 304, {"ETag": f'"{etag}"'})


def check_copying(asked: Conditions, etag: str, modified: datetime) -> None:
    """For the source of a copy, whose conditions have names of their own. Raises `AwsFault` 412."""
    own = {name.removeprefix("CopySource"): value for name, value in asked.items() if name.startswith("CopySourceIf")}
    try:
        check_reading(own, etag, modified)
    except AwsFault as fault:
        raise _failed("x-amz-copy-source-if") from fault


def check_writing(asked: Conditions, etag: str | None) -> None:
    """For what is about to be replaced or removed; `etag` is None when there is nothing. Raises `AwsFault` 412 or
    404.
    """
    if asked.get("IfNoneMatch") is not None and etag is not None and _matches(asked["IfNoneMatch"], etag):
        raise _failed("If-None-Match")
    if asked.get("IfMatch") is not None:
        if etag is None:
            raise AwsFault("NoSuchKey", "The specified key does not exist.", 404)
        if not _matches(asked["IfMatch"], etag):
            raise _failed("If-Match")


def _matches(said: str, etag: str) -> bool:
    return any(one.strip().removeprefix("W/").strip('"') in ("*", etag) for one in said.split(","))


def _failed(condition: str) -> AwsFault:
    message = "At least one of the pre-conditions you specified did not hold"
    return AwsFault("PreconditionFailed", message, 412, {"Condition": condition})
