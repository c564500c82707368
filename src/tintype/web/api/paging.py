"""Pages of a list: what a NextToken says, and when there is one. Pure.

A token holds how many are passed over, and when the first page was asked for: what is made after that is not on the
pages that follow, so that nothing is seen twice.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, final

from tintype.web.faults import AwsFault

DEFAULT_RESULTS = 10            # as SageMaker's lists, when MaxResults is not given


@final
@dataclass(frozen=True)
class Page:
    """A stretch of a list."""

    offset: int
    limit: int
    as_of: float                # seconds since the epoch: what is newer is on no page

    @property
    def to_fetch(self) -> int:
        """One more than the page holds: whether there is another page."""
        return self.limit + 1

    def cut(self, found: list[Any]) -> tuple[list[Any], dict[str, str]]:
        """The page itself, and the NextToken as a member of the answer where one is needed."""
        if len(found) <= self.limit:
            return found, {}
        document = {"offset": self.offset + self.limit, "as_of": self.as_of}
        return found[: self.limit], {"NextToken": base64.urlsafe_b64encode(json.dumps(document).encode()).decode()}


def page_of(request: Mapping[str, Any], now: float, default: int = DEFAULT_RESULTS) -> Page:
    """The page that a request asks for. `ValidationException` for a token that is none of ours."""
    limit, token = request.get("MaxResults", default), request.get("NextToken")
    if not token:
        return Page(0, limit, now)
    try:
        document = json.loads(base64.urlsafe_b64decode(token.encode()))
        return Page(_natural(document["offset"]), limit, float(document["as_of"]))
    except (ValueError, KeyError, TypeError, binascii.Error, OverflowError) as error:
        raise AwsFault("ValidationException", f"Invalid NextToken {token[:40]!r}: ask for page one again") from error


def _natural(value: Any) -> int:
    if not isinstance(value, int) or not 0 <= value < 2**53:
        raise ValueError(value)
    return value
