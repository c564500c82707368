"""What runs a network, and in which numbers. One table.

By itself a GPU is used when there is one, then ONNX Runtime when the archive has an ONNX file, then torch. Who wants
another says so in one word: a runtime, a precision, or both with a colon: "openvino", "fp32", "openvino:bf16".
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, final

import numpy as np

from tintype.errors import BadArchive, not_found
from tintype.models.archive import Archive
from tintype.models.pixel_blocks import PixelBlocks
from tintype.models.processor import cpu_flags, has_gpu
from tintype.serving.runtimes import onnx_runtime, openvino_runtime, torch_runtime
from tintype.serving.runtimes.precision import PRECISIONS, Choice, Precision, choose


class Runtime(Protocol):
    """A network that is ready. Several threads may call it at once."""

    @property
    def callers_core(self) -> frozenset[int]:
        """The processors that its own threads leave to a thread that calls it alone; empty: those are bound to none."""
        ...

    def logits(self, images: np.ndarray) -> np.ndarray:
        """A batch in the layout that the network reads (`models.network_input`) to float32 (n, classes)."""
        ...


@final
@dataclass(frozen=True)
class Engine:
    """A way to run networks.

    `able` says in which numbers it can run an archive on this machine, its favourite first; none: it cannot.
    `open` takes the archive, a number of threads (0: its choice) and the numbers. Raises `BadArchive`.
    """

    able: Callable[[Archive], Sequence[Precision]]
    open: Callable[[Archive, int, Precision], Runtime]


@final
@dataclass(frozen=True)
class Opened:
    """A network that is ready, and how it runs."""

    name: str               # of the runtime
    choice: Choice
    runtime: Runtime
    blocks: PixelBlocks | None      # in which it takes pixels; None: it takes normalised floats


RUNTIMES: dict[str, Engine] = {
    "onnxruntime": Engine(onnx_runtime.able_on_processor, onnx_runtime.open_onnx),
    "openvino": Engine(openvino_runtime.able, openvino_runtime.open_openvino),
    "cuda": Engine(onnx_runtime.able_on_cuda, onnx_runtime.open_on_cuda),
    "tensorrt": Engine(onnx_runtime.able_on_tensorrt, onnx_runtime.open_on_tensorrt),
    "torch": Engine(torch_runtime.able, torch_runtime.open_torch),
    "compiled": Engine(torch_runtime.able, torch_runtime.open_compiled),
}
ON_PROCESSOR = ("onnxruntime", "torch")
ON_GPU = ("cuda", "torch", "onnxruntime")


def open_runtime(archive: Archive, threads: int, wanted: str | None = None) -> Opened:
    """The archive's network, run as `wanted` says ("openvino:bf16"), or in the best way there is.

    Raises `NotFound` for a word that is no runtime and no precision, `BadArchive` when the archive or the machine lacks
    what is needed, or the network cannot be loaded.
    """
    name, precision = parse(wanted or "")
    candidates = [name] if name else ON_GPU if has_gpu() else ON_PROCESSOR
    flags = cpu_flags()
    for candidate in candidates:
        engine = RUNTIMES[candidate]
        choice = choose(archive.description, engine.able(archive), flags, precision)
        if choice is not None:
            ready = engine.open(archive, threads, choice.precision)
            return Opened(candidate, choice, ready, archive.blocks if choice.precision == "int8" else None)
    record = archive.description.precision
    why = f" ({record.reason})" if precision == "int8" and record is not None and record.reason else ""
    raise BadArchive(
        f"the archive has nothing that {' or '.join(candidates)} can run{f' in {precision}' if precision else ''} "
        f"on this machine{why}; choose another runtime or precision"
    )


def parse(wanted: str) -> tuple[str | None, Precision | None]:
    """The runtime and the precision that are named, in any order, if any. Raises `NotFound`."""
    name: str | None = None
    precision: Precision | None = None
    for word in filter(None, wanted.lower().split(":")):
        if word in PRECISIONS and precision is None:
            precision = PRECISIONS[PRECISIONS.index(word)]
        elif word in RUNTIMES and name is None:
            name = word
        else:
            raise not_found("runtime", wanted, [*RUNTIMES, *PRECISIONS])
    return name, precision
