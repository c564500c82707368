"""One page of a list: its rows, and where the newer and the older ones are."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final
from urllib.parse import urlencode

from tintype.errors import InvalidRequest

ROWS = 50
DIGITS = 15             # of an offset


@final
@dataclass(frozen=True)
class Page:
    """Rows, newest first. `newer` and `older` are addresses, None where there are none."""

    rows: Sequence[Any]
    newer: str | None
    older: str | None


def page(path: str, query: Mapping[str, str], read: Callable[[int, int], Sequence[Any]]) -> Page:
    """The page that `query` asks for by `from`; `read(limit, offset)` gives the rows. Raises `InvalidRequest`."""
    offset = offset_of(query)
    rows = read(ROWS + 1, offset)
    return Page(
        rows[:ROWS],
        _address(path, query, max(0, offset - ROWS)) if offset else None,
        _address(path, query, offset + ROWS) if len(rows) > ROWS else None,
    )


def offset_of(query: Mapping[str, str]) -> int:
    """The whole number that `from` is, 0 when it is missing. Raises `InvalidRequest`."""
    text = query.get("from", "0")
    if not text.isascii() or not text.isdigit() or len(text) > DIGITS:
        raise InvalidRequest(f"from={text[:20]!r} is not a whole number of up to {DIGITS} digits")
    return int(text)


def _address(path: str, query: Mapping[str, str], start: int) -> str:
    others = {name: value for name, value in query.items() if name != "from" and value}
    return f"{path}?{urlencode({**others, 'from': start})}"
