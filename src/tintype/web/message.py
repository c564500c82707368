"""A request and an answer as HTTP has them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, final
from urllib.parse import unquote

from tintype.web.faults import AwsFault


@final
@dataclass(frozen=True)
class Request:
    """All of a request but its body. `path` and `query` are as they came, percent signs and all."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]          # names in lower case

    def header(self, name: str) -> str:
        """The value of a header, or nothing."""
        return self.headers.get(name, "")

    @cached_property
    def parameters(self) -> dict[str, str]:
        """The query, decoded; of several values the last. Raises `AwsFault` when it is not UTF-8."""
        return dict(decoded_pairs(self.query))


@final
@dataclass
class Answer:
    """What is sent. A body that is no bytes comes in pieces, and its length is in the headers or unknown."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | AsyncIterator[bytes] = b""


def decoded_pairs(text: str) -> list[tuple[str, str]]:
    """`a=1&b=%20` decoded; a name without `=` has the value "". Raises `AwsFault` when it is not UTF-8."""
    pieces = [piece.partition("=") for piece in text.split("&") if piece]
    return [(_decoded(name, plus=True), _decoded(value, plus=True)) for name, _, value in pieces]


def decoded(text: str) -> str:
    """A part of a path decoded, in which `+` is a plus. Raises `AwsFault` when it is not UTF-8."""
    return _decoded(text, plus=False)


def _decoded(text: str, *, plus: bool) -> str:
    try:
        return unquote(text.replace("+", " ") if plus else text, errors="strict")
    except UnicodeDecodeError as error:
        raise AwsFault("InvalidURI", "Couldn't parse the specified URI: it is not UTF-8.") from error


Members = dict[str, Any]
"""A structure of botocore's model by its own member names; times are aware datetimes, blobs are bytes."""
