"""multipart/form-data: several pictures in one body, each a part, in order. What is no picture is refused later.

Parsed by `python-multipart`, which bounds the heads of parts. Here parts are counted, and a boundary is what the
standard allows.
"""

from __future__ import annotations

import re
from typing import Any, final

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from tintype.errors import InvalidRequest, TooLarge
from tintype.serving.content.inputs import EncodedImage

MAX_PARTS = 1000
BOUNDARY = re.compile(rb"[0-9A-Za-z'()+_,./:=? -]{0,69}[0-9A-Za-z'()+_,./:=?-]")       # RFC 2046


def read_multipart(content: bytes, content_type: str) -> tuple[EncodedImage, ...]:
    """The pictures of a body. `InvalidRequest` when it is not what `content_type` says, `TooLarge` for many parts."""
    boundary = parse_options_header(content_type)[1].get(b"boundary", b"")
    if not BOUNDARY.fullmatch(boundary):
        raise InvalidRequest("multipart/form-data needs a boundary of 1 to 70 characters in its Content-Type")
    parts = _Parts()
    try:
        parser = MultipartParser(boundary, parts.callbacks())       # pyright: ignore[reportArgumentType]
        parser.write(_without_preamble(content, b"--" + boundary))
        parser.finalize()
    except FormParserError as error:
        raise InvalidRequest(f"the multipart body is malformed: {str(error)[:200]}") from error
    if not parts.is_ended:
        raise InvalidRequest("the multipart body is truncated: its last boundary is missing; send all of it")
    if not parts.contents:
        raise InvalidRequest("the multipart body has no parts; send at least one picture")
    return tuple(EncodedImage(bytes(one)) for one in parts.contents)


def _without_preamble(content: bytes, delimiter: bytes) -> bytes:
    """The standard allows lines before the first part, which nobody is to read."""
    before, newline, parts = content.partition(b"\r\n" + delimiter)
    return delimiter + parts if newline and not before.startswith(delimiter) else content


@final
class _Parts:
    """What the parser finds."""

    def __init__(self) -> None:
        self.contents: list[bytearray] = []
        self.is_ended = False

    def callbacks(self) -> dict[str, Any]:
        return {
            "on_part_begin": self._begin,
            "on_part_data": self._data,
            "on_end": self._end,
        }

    def _begin(self) -> None:
        if len(self.contents) == MAX_PARTS:
            raise TooLarge(f"the multipart body has more than {MAX_PARTS:,} parts; send fewer pictures at once")
        self.contents.append(bytearray())

    def _data(self, data: bytes, start: int, end: int) -> None:
        self.contents[-1] += data[start:end]

    def _end(self) -> None:
        self.is_ended = True
