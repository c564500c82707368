"""One tensor of one step as a TFRecord: protobuf with a fixed schema, put together by hand so that nothing is copied.

    Event       1 double wall_time (seconds) · 2 int64 step (global) · 5 Summary · 100 fixed32 our checksum, last
    Summary     1 Value
    Value       1 string tag · 8 TensorProto · 9 SummaryMetadata
    TensorProto 1 enum dtype · 2 TensorShapeProto · 4 bytes content (C order, little endian) · 8 bytes string_val
    TensorShapeProto  2 Dim {1 int64 size · 2 string name}
    SummaryMetadata   1 PluginData {1 string plugin_name · 2 string content}: mode_step, mode, and our original_dtype

A large tensor's own memory is one of the buffers of its record: whoever writes the record must not change it before.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from tintype.debugger.dtypes import CODE_OF, storable
from tintype.debugger.modes import Mode
from tintype.debugger.tfrecord import (
    FOOTER_BYTES,
    HEADER_BYTES,
    SEAL_BYTES,
    SMDEBUG_FOOTER_BYTES,
    Buffer,
    header,
    seal,
)

MODE_STEP = "mode_step"
MODE = "mode"
ORIGINAL_DTYPE = "original_dtype"

JOINED_BELOW_BYTES = 16_384     # below, one buffer for the record is faster than three


@dataclass(frozen=True)
class Moment:
    """When a tensor was saved: the global step, its mode and the step of that mode, seconds since the epoch."""

    global_step: int
    mode: Mode
    mode_step: int
    wall_time: float


def varint(value: int) -> bytes:
    """`value` in protobuf's base-128 notation; a negative one as the 64-bit two's complement."""
    value &= 0xFFFFFFFFFFFFFFFF
    if value < 0x80:
        return bytes((value,))
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _field(key: int, content: bytes) -> bytes:
    return bytes((key << 3 | 2,)) + varint(len(content)) + content


def _plugin(name: str, content: str) -> bytes:
    return _field(1, _field(1, name.encode()) + _field(2, content.encode()))


@lru_cache(maxsize=256)
def _metadata(mode: Mode, mode_step: int, original_dtype: str) -> bytes:
    noted = _plugin(ORIGINAL_DTYPE, original_dtype) if original_dtype else b""
    return _field(9, _plugin(MODE_STEP, str(mode_step)) + _plugin(MODE, str(mode.value)) + noted)


@lru_cache(maxsize=65_536)
def _shape(tag: str, shape: tuple[int, ...]) -> bytes:
    dimensions = (b"\x08" + varint(size) + _field(2, f"{tag}_{size}".encode()) for size in shape)
    return _field(2, b"".join(_field(2, dimension) for dimension in dimensions))


@lru_cache(maxsize=65_536)
def _tag(tag: str) -> bytes:
    return _field(1, tag.encode())


def encode(tag: str, value: np.ndarray[Any, Any], moment: Moment, original_dtype: str = "") -> tuple[list[Buffer], int]:
    """The record of one tensor, as the buffers to write one after the other, and how many bytes they are.

    `original_dtype` names the type of `value` before somebody widened it to one that NumPy has. Raises
    `InvalidRequest` for a type that has no place in a log.
    """
    array, widened_from = storable(np.asarray(value))
    metadata = _metadata(moment.mode, moment.mode_step, original_dtype or widened_from)
    if array.dtype.kind in "SUO":
        tensor, content = _strings(tag, array), b""
    else:
        content = array.tobytes() if array.nbytes < JOINED_BELOW_BYTES else array.reshape(-1).view(np.uint8)
        head = b"\x08" + varint(CODE_OF[array.dtype]) + _shape(tag, array.shape)
        tensor = head + (b"\x22" + varint(array.nbytes) if array.nbytes else b"")
    return _record(tag, tensor, content, metadata, moment)


def _strings(tag: str, array: np.ndarray[Any, Any]) -> bytes:
    spelt = [one if isinstance(one, bytes) else str(one).encode() for one in array.reshape(-1).tolist()]
    return _shape(tag, array.shape) + b"".join(_field(8, one) for one in spelt)


def _record(tag: str, tensor: bytes, content: Buffer, metadata: bytes, moment: Moment) -> tuple[list[Buffer], int]:
    size = len(content)
    named = _tag(tag)
    tensor_head = b"\x42" + varint(len(tensor) + size) + tensor
    value_bytes = len(named) + len(tensor_head) + size + len(metadata)
    value_head = b"\x0a" + varint(value_bytes) + named + tensor_head
    step = b"\x10" + varint(moment.global_step) if moment.global_step else b""
    event_head = (
        b"\x09" + struct.pack("<d", moment.wall_time) + step
        + b"\x2a" + varint(len(value_head) + size + len(metadata)) + value_head
    )  # fmt: skip
    payload_bytes = len(event_head) + size + len(metadata) + SEAL_BYTES
    length = HEADER_BYTES + payload_bytes + FOOTER_BYTES
    if isinstance(content, bytes):
        payload = event_head + content + metadata
        return [b"".join((header(payload_bytes), payload, seal([payload]), SMDEBUG_FOOTER_BYTES))], length
    end = metadata + seal([event_head, content, metadata]) + SMDEBUG_FOOTER_BYTES
    return [header(payload_bytes) + event_head, content, end], length
