"""Arrays, lists and numbers to the bodies of answers."""

from __future__ import annotations

import io
import json
from typing import Any

import numpy as np

from tintype.serving.scripts.toolkit.content_types import CSV, JSON, NPY
from tintype.serving.scripts.toolkit.errors import UnsupportedFormatError


def encode(array_like: Any, content_type: str) -> str | bytes:
    """The body, in the first type of a comma-separated list that can be written. `UnsupportedFormatError` for none."""
    for one in content_type.replace(" ", "").split(","):
        if one in ENCODERS:
            return ENCODERS[one](array_like)
    raise UnsupportedFormatError(content_type)


def _to_json(value: Any) -> str:
    def plain(other: Any) -> Any:
        if hasattr(other, "tolist"):
            return other.tolist()
        raise TypeError(f"Object of type {type(other).__name__} is not JSON serializable")

    return json.dumps(value, default=plain)


def _to_csv(value: Any) -> bytes:
    stream = io.StringIO()
    np.savetxt(stream, value, delimiter=",", fmt="%s")
    return stream.getvalue().encode()


def _to_npy(value: Any) -> bytes:
    """The toolkit would pickle what is no array of numbers, and whoever asked would have to unpickle it."""
    stream = io.BytesIO()
    np.save(stream, value, allow_pickle=False)
    return stream.getvalue()


ENCODERS = {JSON: _to_json, CSV: _to_csv, NPY: _to_npy}
