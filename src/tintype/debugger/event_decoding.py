"""Reading one tensor's record: the counterpart of `event.py`, for what we and smdebug wrote.

Nothing in a file is believed: whatever does not add up raises `Damaged`. Unknown fields are skipped.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from tintype.debugger.dtypes import DTYPES, STRING_CODES
from tintype.debugger.event import MODE, MODE_STEP, ORIGINAL_DTYPE
from tintype.debugger.modes import Mode
from tintype.errors import StorageFailed


class Damaged(StorageFailed):
    """A record or an index that does not add up; the message says how, its catcher says where."""


Span = tuple[int, int]      # first and end of a field's content in its buffer
Field = tuple[int, int, Span]     # number, value (of a varint), content (of the others)


@dataclass(frozen=True)
class Gapped:
    """A payload of which a piece in the middle was left out; indexed as if it were there."""

    head: bytes
    gap: Span
    tail: bytes

    def __len__(self) -> int:
        return self.gap[1] + len(self.tail)

    def __getitem__(self, at: Any) -> Any:
        if isinstance(at, slice):
            first, end, _ = at.indices(len(self))
            return bytes(self[one] for one in range(first, end))
        if at < self.gap[0]:
            return self.head[at]
        if at < self.gap[1]:
            raise Damaged("the content of a tensor is not where it should be")
        return self.tail[at - self.gap[1]]


Payload = bytes | Gapped


@dataclass(frozen=True)
class TensorHead:
    """What a record says of its tensor, without the content, whose place in the payload it gives."""

    tag: str
    step: int                       # global
    mode: Mode
    mode_step: int
    dtype: int                      # a code of dtypes.CODES, or one of dtypes.STRING_CODES
    shape: tuple[int, ...]
    content: Span | None            # None for strings and for tensors without elements
    strings: tuple[Span, ...]
    original_dtype: str             # "" unless the tensor was widened
    wall_time: float


def varint(buffer: Payload, at: int) -> tuple[int, int]:
    """The number at `at`, and where the next thing begins."""
    value = shift = 0
    while True:
        if at >= len(buffer) or shift > 63:
            raise Damaged("a number runs over the end")
        byte = buffer[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7


def fields(buffer: Payload, first: int, end: int) -> Iterator[Field]:
    """The fields of a message that lies at [first, end)."""
    while first < end:
        key, first = varint(buffer, first)
        value, span = 0, (first, first)
        match key & 7:
            case 0:
                value, first = varint(buffer, first)
            case 1:
                span = (first, first + 8)
            case 5:
                span = (first, first + 4)
            case 2:
                length, first = varint(buffer, first)
                span = (first, first + length)
            case other:
                raise Damaged(f"there is no wire type {other}")
        first = max(first, span[1])
        if first > end:
            raise Damaged("a field runs over the end of its message")
        yield key >> 3, value, span


def content_span(buffer: Payload, end: int) -> Span | None:
    """Where the content of the tensor lies in a payload of `end` bytes, of which `buffer` needs to be the beginning."""
    span: Span | None = (0, end)
    for wanted in (5, 1, 8, 4):     # summary, value, tensor, content
        span = None if span is None else next((inner for key, _, inner in fields(buffer, *span) if key == wanted), None)
    return span


def decode(payload: Payload) -> TensorHead:
    """What a payload says of its tensor. Raises `Damaged`."""
    step, wall_time, value = 0, 0.0, None
    for number, varying, span in fields(payload, 0, len(payload)):
        if number == 1 and span[1] - span[0] == 8:
            (wall_time,) = struct.unpack("<d", payload[span[0] : span[1]])
        elif number == 2:
            step = varying
        elif number == 5:
            value = next((inner for key, _, inner in fields(payload, *span) if key == 1), None)
    if value is None:
        raise Damaged("the record holds no tensor")
    return _decode_value(payload, value, step, wall_time)


def _decode_value(payload: Payload, value: Span, step: int, wall_time: float) -> TensorHead:
    tag, tensor, notes = "", None, {}
    for number, _, span in fields(payload, *value):
        if number == 1:
            tag = _text(payload, span)
        elif number == 8:
            tensor = span
        elif number == 9:
            notes = _notes(payload, span)
    if tensor is None or not tag:
        raise Damaged("the record holds no tensor")
    dtype, shape, content, strings = _decode_tensor(payload, tensor)
    try:
        mode, mode_step = Mode(int(notes.get(MODE, Mode.GLOBAL.value))), int(notes.get(MODE_STEP, step))
    except ValueError as error:
        raise Damaged(f"the mode of the record is not one: {error}") from error
    return TensorHead(
        tag, step, mode, mode_step, dtype, shape, content, strings, notes.get(ORIGINAL_DTYPE, ""), wall_time
    )


def _decode_tensor(payload: Payload, tensor: Span) -> tuple[int, tuple[int, ...], Span | None, tuple[Span, ...]]:
    dtype, shape, content, strings = 0, (), None, []
    for number, varying, span in fields(payload, *tensor):
        match number:
            case 1:
                dtype = varying
            case 2:
                shape = tuple(_size(payload, one) for key, _, one in fields(payload, *span) if key == 2)
            case 4:
                content = span
            case 8:
                strings.append(span)
            case _:
                pass
    return dtype, shape, content, tuple(strings)


def _size(payload: Payload, dimension: Span) -> int:
    return next((value for key, value, _ in fields(payload, *dimension) if key == 1), 0)


def _notes(payload: Payload, metadata: Span) -> dict[str, str]:
    notes = {}
    for number, _, plugin in fields(payload, *metadata):
        if number == 1:
            texts = {key: _text(payload, span) for key, _, span in fields(payload, *plugin)}
            notes[texts.get(1, "")] = texts.get(2, "")
    return notes


def _text(payload: Payload, span: Span) -> str:
    try:
        return str(payload[span[0] : span[1]], "utf-8")
    except UnicodeDecodeError as error:
        raise Damaged(f"a name is not UTF-8: {error}") from error


def dtype_of(head: TensorHead) -> np.dtype[Any]:
    """The NumPy type of a tensor of numbers. Raises `Damaged` for one we cannot read, saying its code."""
    if head.dtype not in DTYPES:
        raise Damaged(f"tensors of TensorFlow's type {head.dtype} are not read here")
    return DTYPES[head.dtype]


def array_of(head: TensorHead, payload: bytes) -> np.ndarray[Any, Any]:
    """The tensor of a whole payload: an array of its own that may be written to."""
    try:
        if head.strings or head.dtype in STRING_CODES:
            return np.array([_text(payload, span) for span in head.strings], dtype=np.str_).reshape(head.shape)
        first, end = head.content or (0, 0)
        return np.frombuffer(payload[first:end], dtype_of(head)).reshape(head.shape).copy()
    except ValueError as error:
        raise Damaged(f"the content does not have the shape {head.shape}: {error}") from error
