"""The header Range: which bytes of an object are meant."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import final

from tintype.web.faults import AwsFault

RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")


@final
@dataclass(frozen=True)
class Span:
    """Bytes `start` to `end`, the latter not included, of an object of `total`."""

    start: int
    end: int
    total: int

    @property
    def content_range(self) -> str:
        """The header Content-Range."""
        return f"bytes {self.start}-{self.end - 1}/{self.total}"

    @property
    def length(self) -> int:
        """In bytes."""
        return self.end - self.start


def span_of(header: str | None, total: int) -> Span | None:
    """None when all is meant: without the header, and as in S3 with one that is malformed or names several ranges.

    Raises `AwsFault` InvalidRange when there is no such byte.
    """
    found = RANGE.fullmatch(header.strip()) if header else None
    if not found or found[0] == "bytes=-":
        return None
    first, last = found[1], found[2]
    if not first:
        start, end = max(total - int(last), 0), total
    else:
        start, end = int(first), min(int(last) + 1, total) if last else total
        if last and int(last) < start:
            return None
    if start >= end:
        members = {"RangeRequested": header, "ActualObjectSize": total}
        raise AwsFault("InvalidRange", "The requested range is not satisfiable", 416, members)
    return Span(start, end, total)
