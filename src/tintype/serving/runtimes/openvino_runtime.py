"""OpenVINO, when the extra `openvino` is installed and it is asked for: bfloat16 on x86, and somewhat faster integers.

Milliseconds of one core for a picture, ResNet-18 at 224 px, on a 2-core EPYC with VNNI and bf16:

                     fp32    bf16    int8
    OpenVINO         33      17      9.5
    ONNX Runtime     35      -       10

So it is worth it where integers cost too much accuracy. It takes 40 MB of memory more and 0.3 s longer to start.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from typing import TYPE_CHECKING, final

import numpy as np

from tintype.errors import BadArchive, lines_of
from tintype.models.archive import Archive
from tintype.models.network_input import OUTPUT
from tintype.models.processor import BFLOAT16_FLAGS, cpu_flags
from tintype.serving.runtimes.network_file import NetworkFile
from tintype.serving.runtimes.precision import Precision

if TYPE_CHECKING:
    from openvino import CompiledModel  # pyright: ignore[reportMissingImports]  (an extra)

NUMBERS: dict[Precision, str] = {"fp32": "f32", "bf16": "bf16", "int8": "f32"}     # what is not an integer in int8


@final
class OpenvinoRuntime:
    """A compiled OpenVINO model. Each call has a request of its own, so that several threads may call."""

    callers_core = frozenset[int]()         # the caller waits while OpenVINO's threads compute

    def __init__(self, model: CompiledModel) -> None:
        self._model = model

    def logits(self, images: np.ndarray) -> np.ndarray:
        """A batch in the layout that the network reads, contiguous, to float32 (n, classes)."""
        import openvino  # pyright: ignore[reportMissingImports]  (an extra)

        batch = openvino.Tensor(images, shared_memory=True)     # an array would be cast to whatever the network takes
        try:
            answer = self._model.create_infer_request().infer({0: batch})
        except RuntimeError as error:           # all that OpenVINO raises
            raise BadArchive(f"OpenVINO says: {lines_of(error)[-1]}") from error
        return np.array(answer[OUTPUT])         # a copy: theirs goes with the request


def able(archive: Archive) -> Sequence[Precision]:
    """Integers and float32, as far as there are files; bfloat16 where the processor has it. None without OpenVINO."""
    if importlib.util.find_spec("openvino") is None:
        return []
    found: list[Precision] = ["int8"] if archive.integers else []
    if archive.onnx:
        found.append("fp32")
        if cpu_flags() & BFLOAT16_FLAGS:
            found.append("bf16")
    return found


def open_openvino(archive: Archive, threads: int, precision: Precision) -> OpenvinoRuntime:
    """Compile the archive's network for the processor. `threads` 0 means one per core. Raises `BadArchive`."""
    import openvino  # pyright: ignore[reportMissingImports]  (an extra)

    file = NetworkFile.of(archive, precision)
    options = {
        "INFERENCE_PRECISION_HINT": NUMBERS[precision],
        "INFERENCE_NUM_THREADS": threads,
        "NUM_STREAMS": 1,
        "PERFORMANCE_HINT": "LATENCY",
    }
    try:
        model = openvino.Core().compile_model(file.path, "CPU", options)
    except RuntimeError as error:
        reason = lines_of(error)[-1]            # those before it are places in OpenVINO's source
        raise BadArchive(f"{file.path.name} cannot be loaded by OpenVINO: {reason}; choose another runtime") from error
    file.check(*([name for end in ends for name in end.names] for ends in (model.inputs, model.outputs)))
    return OpenvinoRuntime(model)
