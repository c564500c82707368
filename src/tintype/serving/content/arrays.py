"""NumPy's .npy format, versions 1 and 2, read from bytes that nobody vouches for.

`numpy.load` takes memory as the header says before it looks for the data. Here the header must agree with the bytes
that are there; object arrays, and so pickles, are refused, as are records and zipped .npz files.
"""

from __future__ import annotations

import ast
import io
import math
import re
from typing import Any

import numpy as np

from tintype.errors import InvalidRequest

MAGIC = b"\x93NUMPY"
LENGTH_BYTES = {1: 2, 2: 4}             # major version -> size of the little-endian header length
MAX_HEADER_BYTES = 1024                 # numpy.save writes 118 for the arrays that are read here
PLAIN_TYPE = re.compile(r"[<>|=]?[a-zA-Z]\d*")


def read_npy(content: bytes) -> np.ndarray:
    """The array, as a read-only view of `content`. `InvalidRequest` says why when there is none."""
    header, start = _header(content)
    try:
        shape, fortran_order, dtype = _fields(ast.literal_eval(header))
    # A hostile literal is a syntax error, too deep, or no dictionary of the three fields.
    except (ValueError, TypeError, KeyError, SyntaxError, RecursionError, MemoryError) as error:
        raise InvalidRequest("the .npy header is damaged; write the file with numpy.save") from error
    if dtype.hasobject:
        raise InvalidRequest("an array of Python objects is a pickle, which is never read here; send uint8 or float32")
    data = memoryview(content)[start:]
    if math.prod(shape) * dtype.itemsize != len(data):
        raise InvalidRequest(f"the .npy header says {dtype} {shape}, but {len(data):,} bytes follow; send all of it")
    if not len(data):
        raise InvalidRequest(f"an array of {dtype} {shape} holds nothing; send at least one picture")
    return np.frombuffer(data, dtype).reshape(shape, order="F" if fortran_order else "C")


def write_npy(array: np.ndarray) -> bytes:
    """The .npy bytes of an array."""
    stream = io.BytesIO()
    np.save(stream, array, allow_pickle=False)
    return stream.getvalue()


def _header(content: bytes) -> tuple[str, int]:
    """The header's text, and where the data begins."""
    if not content.startswith(MAGIC) or len(content) < 12:
        raise InvalidRequest("the body is no .npy file; write it with numpy.save")
    width = LENGTH_BYTES.get(content[6])
    if width is None:
        raise InvalidRequest(f".npy version {content[6]} is not read here; write the file with numpy.save")
    length = int.from_bytes(content[8 : 8 + width], "little")
    if length > MAX_HEADER_BYTES:
        raise InvalidRequest(f"the .npy header has {length:,} bytes, more than {MAX_HEADER_BYTES}; send a plain array")
    start = 8 + width + length
    return content[8 + width : start].decode("latin-1"), start


def _fields(header: Any) -> tuple[tuple[int, ...], bool, np.dtype]:
    shape, order, kind = header["shape"], header["fortran_order"], header["descr"]
    if not isinstance(shape, tuple) or not all(type(side) is int and 0 <= side < 2**31 for side in shape):
        raise ValueError(f"not a shape: {shape!r}")
    if len(shape) > 8 or type(order) is not bool or not isinstance(kind, str) or not PLAIN_TYPE.fullmatch(kind):
        raise ValueError(f"not a plain array: {kind!r}")
    return shape, order, np.dtype(kind)
