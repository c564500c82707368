"""The name of a request: the caller's own when it is fit to be logged, else a new one."""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping

REQUEST_ID, AMAZON_REQUEST_ID = "x-request-id", "x-amzn-requestid"
FIT = re.compile(r"[A-Za-z0-9._:/=+@-]{1,128}")


def request_id(headers: Mapping[str, str]) -> str:
    """The id that the caller sent under either name, or a new one of 32 hexadecimal digits."""
    sent = headers.get(REQUEST_ID) or headers.get(AMAZON_REQUEST_ID) or ""
    return sent if FIT.fullmatch(sent) else secrets.token_hex(16)


def id_headers(name: str) -> dict[str, str]:
    """What an answer says of it."""
    return {REQUEST_ID: name, AMAZON_REQUEST_ID: name}
