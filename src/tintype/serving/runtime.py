"""What runs a network: ONNX Runtime when the archive has an ONNX file, else torch. One table."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np

from tintype.errors import BadArchive, not_found
from tintype.models.archive import Archive
from tintype.serving.onnx_runtime import open_onnx
from tintype.serving.torch_runtime import open_torch


class Runtime(Protocol):
    """A network that is ready. Several threads may call it at once."""

    def logits(self, images: np.ndarray) -> np.ndarray:
        """float32 (n, 3, size, size), normalised, to float32 (n, classes)."""
        ...


# In order of preference. Given the archive and a number of threads, each returns None for an archive it cannot run.
RUNTIMES: dict[str, Callable[[Archive, int], Runtime | None]] = {
    "onnxruntime": open_onnx,
    "torch": open_torch,
}


def open_runtime(archive: Archive, threads: int, name: str | None = None) -> tuple[str, Runtime]:
    """The first runtime of the table that can run the archive, or the one called `name`; and its name.

    Raises `NotFound` for an unknown name, `BadArchive` when the archive lacks what is needed or cannot be loaded.
    """
    if name is not None and name not in RUNTIMES:
        raise not_found("runtime", name, RUNTIMES)
    for candidate in [name] if name else RUNTIMES:
        runtime = RUNTIMES[candidate](archive, threads)
        if runtime is not None:
            return candidate, runtime
    raise BadArchive(f"the archive has nothing that {name or ' or '.join(RUNTIMES)} can run; choose another runtime")
