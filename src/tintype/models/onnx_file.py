"""Whether an ONNX file keeps all of its tensors inside.

ONNX lets a tensor live in another file, named by a path that may lead anywhere (`../../etc/passwd`), and ONNX Runtime
follows it. An archive from elsewhere must not be able to ask for that. This walks the protocol buffer itself, by the
few field numbers that lead to tensors: it maps the file instead of parsing it, and does not import `onnx`, so that a
serving process starts without. It does not judge whether the graph makes sense; ONNX Runtime does.
"""

from __future__ import annotations

import mmap
from pathlib import Path

from tintype.errors import BadArchive

DEEPEST = 100           # levels of messages, as protocol buffers' own parsers allow

# message -> {field number: message in it}, from onnx.proto; only what can hold a tensor
FIELDS: dict[str, dict[int, str]] = {
    "model": {7: "graph", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "function": {7: "node", 11: "attribute"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
    "tensor": {},
}
EXTERNAL_DATA, DATA_LOCATION = 13, 14       # fields of a tensor; location 0 is inside
VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5


def refuse_external_data(path: Path) -> None:
    """Raise `BadArchive` when the ONNX file at `path` is damaged, or has a tensor outside of itself."""
    if path.stat().st_size == 0:
        raise BadArchive(f"{path.name} is empty; it is not an ONNX file")
    with path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as content:
        if content[4:8] == b"ORTM":
            raise BadArchive(f"{path.name} is in ONNX Runtime's private format; export the model as ONNX")
        try:
            _walk(content, 0, len(content), "model", 0)
        except (IndexError, RecursionError) as error:
            raise BadArchive(f"{path.name} is not a whole ONNX file") from error
        except _External as error:
            raise BadArchive(f"{path.name} keeps tensors in other files; export it with its tensors inside") from error


class _External(Exception):
    """A tensor that is somewhere else."""


def _walk(content: mmap.mmap, position: int, end: int, message: str, depth: int) -> None:
    if depth > DEEPEST:
        raise RecursionError
    inner = FIELDS[message]
    while position < end:
        key, position = _varint(content, position, end)
        field, wire_type = key >> 3, key & 7
        if wire_type == BYTES:
            length, position = _varint(content, position, end)
            if message == "tensor" and field == EXTERNAL_DATA:
                raise _External
            if position + length > end:
                raise IndexError
            if field in inner:
                _walk(content, position, position + length, inner[field], depth + 1)
            position += length
        elif wire_type == VARINT:
            value, position = _varint(content, position, end)
            if message == "tensor" and field == DATA_LOCATION and value != 0:
                raise _External
        elif wire_type in (FIXED64, FIXED32):
            position += 8 if wire_type == FIXED64 else 4
        else:
            raise IndexError
    if position != end:
        raise IndexError


def _varint(content: mmap.mmap, position: int, end: int) -> tuple[int, int]:
    """The number at `position`, and the position after it."""
    value = shift = 0
    while position < end and shift < 70:
        byte = content[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
        shift += 7
    raise IndexError
