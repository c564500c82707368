"""Bodies: gzip both ways, bombs, memory for all of them."""

from __future__ import annotations

import gzip
import io
import zlib

import pytest

from tintype.errors import Busy, InvalidRequest, TooLarge
from tintype.serving.front.admission import Inflater, Room, compressed

TEXT = b"a picture, as it were " * 500
PACKED = gzip.compress(TEXT, mtime=0)      # no time in it: what workers collect must be the same


def inflated(content: bytes, limit: int = 1 << 20, piece: int = 100) -> bytes:
    inflater = Inflater(limit)
    found = b"".join(inflater.feed(content[at : at + piece]) for at in range(0, len(content), piece))
    inflater.finish()
    return found


@pytest.mark.parametrize("piece", [1, 7, 100, 1 << 20])
def test_gzip_is_undone_in_pieces_of_any_size(piece: int) -> None:
    assert inflated(gzip.compress(TEXT), piece=piece) == TEXT


def test_nothing_is_nothing() -> None:
    assert inflated(b"") == b""


def test_a_bomb_is_refused_after_the_limit_of_it() -> None:
    bomb = gzip.compress(bytes(200 << 20))
    inflater = Inflater(1 << 20)
    made = len(inflater.feed(bomb[:1000]))
    with pytest.raises(TooLarge, match="1,048,576"):
        inflater.feed(bomb[1000:])
    assert made < 1 << 20


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"not gzip at all", "no gzip"),
        (zlib.compress(TEXT), "no gzip"),
        (PACKED[:-9], "truncated"),
        (PACKED[:20], "truncated"),
        (PACKED + b"more", "goes on"),
        (PACKED + PACKED, "goes on"),
        (PACKED[:-4] + b"\0\0\0\1", "no gzip"),
    ],
)
def test_what_is_no_gzip(content: bytes, message: str) -> None:
    with pytest.raises(InvalidRequest, match=message):
        inflated(content)


@pytest.mark.parametrize(
    ("header", "packed"),
    [
        ("gzip", True), ("deflate, gzip;q=0.5", True), ("x-gzip", True), ("GZIP", True),
        (None, False), ("", False), ("br", False), ("gzip;q=0", False), ("gzip; q=0.0", False), ("gzipped", False),
    ],
)  # fmt: skip
def test_answers_are_compressed_for_those_who_read_it(header: str | None, packed: bool) -> None:
    content = compressed(TEXT, header)
    assert (content is not None) is packed
    if content is not None:
        assert gzip.GzipFile(fileobj=io.BytesIO(content)).read() == TEXT


def test_short_answers_stay_as_they_are() -> None:
    assert compressed(b"short", "gzip") is None


def test_the_room_for_bodies() -> None:
    room = Room(100)
    with room.share() as take:
        take(60)
        with room.share() as other, pytest.raises(Busy, match="memory"):
            other(50)
        assert room.taken_bytes == 60
        with room.share() as third:
            third(40)
    assert room.taken_bytes == 0
