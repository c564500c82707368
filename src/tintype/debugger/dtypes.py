"""How types of numbers are spelt in an event file: TensorFlow's codes, as far as smdebug has them.

bfloat16, which NumPy does not know, is kept as float32, and what it was is noted beside it (`event.py`). Strings are
kept under code 0, not TensorFlow's 7: it is what smdebug writes, and the only thing that it reads; we read both.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tintype.errors import InvalidRequest

CODES: dict[str, int] = {
    "float32": 1,
    "float64": 2,
    "int32": 3,
    "uint8": 4,
    "int16": 5,
    "int8": 6,
    "complex64": 8,
    "int64": 9,
    "bool": 10,
    "uint16": 17,
    "complex128": 18,
    "float16": 19,
    "uint32": 22,
    "uint64": 23,
}
STRING_CODES = (0, 7)

WIDENED = {"bfloat16": "float32", "float8_e4m3fn": "float32", "float8_e5m2": "float32"}

DTYPES: dict[int, np.dtype[Any]] = {code: np.dtype(name).newbyteorder("<") for name, code in CODES.items()}
CODE_OF: dict[np.dtype[Any], int] = {dtype: code for code, dtype in DTYPES.items()}     # little endian alone


def storable(array: np.ndarray[Any, Any]) -> tuple[np.ndarray[Any, Any], str]:
    """`array` in a type that the log knows, C-contiguous and little endian, and the name of what it was ("" if kept).

    Nothing is copied unless it must be. Raises `InvalidRequest` for a type that has no place in a log.
    """
    dtype, widened_from = array.dtype, ""
    if dtype not in CODE_OF and dtype.kind not in "SUO":
        dtype, widened_from = _nearest(dtype)
        array = array.astype(dtype)
    return (array if array.flags.c_contiguous else np.ascontiguousarray(array).reshape(array.shape)), widened_from


def _nearest(dtype: np.dtype[Any]) -> tuple[np.dtype[Any], str]:
    swapped = dtype.newbyteorder("<")
    if swapped in CODE_OF:
        return swapped, ""
    wider = WIDENED.get(dtype.name) or ("float64" if dtype.kind == "f" else "")
    if not wider:
        raise InvalidRequest(f"a tensor of {dtype} cannot be logged; {', '.join(CODES)} and strings can")
    return DTYPES[CODES[wider]], dtype.name
