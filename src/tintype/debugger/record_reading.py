"""From a place in an event file to the array that lies there, reading nothing else.

A record of megabytes is read straight into its array: the memory in use is that of the tensor, once.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any

import numpy as np

from tintype.debugger.event_decoding import Damaged, Gapped, TensorHead, array_of, content_span, decode, dtype_of
from tintype.debugger.log_files import LogFiles
from tintype.debugger.tfrecord import FOOTER_BYTES, HEADER_BYTES, payload_is_whole, payload_length

STRAIGHT_FROM_BYTES = 1 << 20
HEAD_BYTES = 1 << 16        # more than the name and the shape of a tensor take
FRAME_BYTES = HEADER_BYTES + FOOTER_BYTES
WALL_TIME_FIELD = 0x09      # field 1 of an event, a double


def read_tensor(files: LogFiles, path: str, start: int, length: int) -> np.ndarray[Any, Any]:
    """The tensor whose record lies at `start`, `length` bytes long. Raises `Damaged`, and `NotFound` without a file."""
    if start < 0 or length < FRAME_BYTES:
        raise Damaged(f"no record begins at {start} and is {length} bytes long")
    if length >= STRAIGHT_FROM_BYTES:
        straight = _read_straight(files, path, start, length)
        if straight is not None:
            return straight
    payload = _payload(files.read(path, start, length), length)
    return array_of(decode(payload), payload)


def scan(files: LogFiles, path: str) -> Iterator[tuple[TensorHead, int, int]]:
    """What each record of an event file says, where it begins and how long it is, up to the first that is damaged.

    For a file whose index is missing. Raises `Damaged` after the last good record when more follows it.
    """
    position, size = 0, files.size(path)
    while position < size:
        payload_bytes = payload_length(files.read(path, position, HEADER_BYTES))
        if payload_bytes is None or position + payload_bytes + FRAME_BYTES > size:
            raise Damaged(f"it is damaged from byte {position} on")
        length = payload_bytes + FRAME_BYTES
        yield decode(_payload(files.read(path, position, length), length)), position, length
        position += length


def wall_time(files: LogFiles, path: str) -> float | None:
    """When the first record of an event file was made, which is what an event begins with; None when it does not."""
    head = files.read(path, HEADER_BYTES, 9)
    return struct.unpack("<d", head[1:])[0] if len(head) == 9 and head[0] == WALL_TIME_FIELD else None


def _payload(record: bytes, length: int) -> bytes:
    if len(record) != length:
        raise Damaged(f"it ends after {len(record)} of {length} bytes")
    if payload_length(record[:HEADER_BYTES]) != length - FRAME_BYTES:
        raise Damaged("the header of a record is wrong")
    payload = record[HEADER_BYTES:-FOOTER_BYTES]
    if not payload_is_whole([payload], record[-FOOTER_BYTES:]):
        raise Damaged("the checksum of a record is wrong")
    return payload


def _read_straight(files: LogFiles, path: str, start: int, length: int) -> np.ndarray[Any, Any] | None:
    """The tensor of a large record; None when its content is not one piece (strings)."""
    if files.size(path) < start + length:
        raise Damaged(f"the file ends before byte {start + length}")
    beginning = files.read(path, start, HEAD_BYTES)
    if payload_length(beginning[:HEADER_BYTES]) != length - FRAME_BYTES:
        raise Damaged("the header of a record is wrong")
    try:
        span = content_span(beginning[HEADER_BYTES:], length - FRAME_BYTES)
    except Damaged:
        span = None         # many small fields; they are read whole, and found to be damaged then if they are
    if span is None:
        return None
    first, end = (HEADER_BYTES + one for one in span)
    content = np.empty(end - first, np.uint8)
    rest = files.read(path, start + end, length - end)
    if files.fill(path, start + first, content) != len(content) or len(rest) != length - end:
        raise Damaged(f"the file ends before byte {start + length}")
    head = beginning[HEADER_BYTES:first]
    tail = rest[:-FOOTER_BYTES]
    if not payload_is_whole([head, content, tail], rest[-FOOTER_BYTES:]):
        raise Damaged("the checksum of a record is wrong")
    told = decode(Gapped(head, span, tail))
    try:
        return content.view(dtype_of(told)).reshape(told.shape)
    except ValueError as error:
        raise Damaged(f"the content does not have the shape {told.shape}: {error}") from error
