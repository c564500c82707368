"""Bodies to NumPy arrays."""

from __future__ import annotations

import io
import json
from typing import Any

import numpy as np

from tintype.serving.scripts.toolkit.content_types import CSV, JSON, NPY, NPZ
from tintype.serving.scripts.toolkit.errors import GenericInferenceToolkitError, UnsupportedFormatError


def decode(obj: Any, content_type: str | None) -> np.ndarray:
    """The array that a body of this type holds. `UnsupportedFormatError` for a type that is not in the table."""
    decoder = DECODERS.get(content_type or "")
    if decoder is None:
        raise UnsupportedFormatError(content_type)
    return decoder(obj)


def _from_json(body: Any) -> np.ndarray:
    return np.array(json.loads(body))


def _from_csv(body: Any) -> np.ndarray:
    text = body.decode() if isinstance(body, bytes) else body
    return np.genfromtxt(io.StringIO(text), delimiter=",")


def _from_npy(body: Any) -> np.ndarray:
    """The toolkit would unpickle an array of objects, which lets whoever sends one run code here."""
    try:
        return np.load(io.BytesIO(body), allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise GenericInferenceToolkitError(400, f"the body is no NPY array of numbers: {error}") from error


def _from_npz(body: Any) -> np.ndarray:
    """The toolkit reads SciPy's sparse matrices; a plain file gives its first array."""
    with np.load(io.BytesIO(body), allow_pickle=False) as bundle:
        return bundle[bundle.files[0]]


DECODERS = {JSON: _from_json, CSV: _from_csv, NPY: _from_npy, NPZ: _from_npz}
