"""ONNX Runtime: on the processor without torch, ready in a fraction of a second; on a GPU by its CUDA or TensorRT.

On the processor its threads do not spin. Spinning waits for the next piece of work by burning a core that the decoders
and other workers need: with two threads on two busy cores, ResNet-18 in integers took 19 to 23 ms of processor time a
picture with it, 12 without, and 10 with one thread.

Where it has a thread for each core, each is bound to one, and so is whoever calls it. By itself ONNX Runtime binds its
own threads only, and the caller, which computes as much as they do, is then often put on a core where one of them is
already: of requests that come now and then, half took 5 ms longer (docs/decisions.md).
"""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping, Sequence
from typing import Any, final

import numpy as np
import onnxruntime

from tintype.cores import usable_cores, whole_cores
from tintype.errors import BadArchive, lines_of
from tintype.models.archive import Archive
from tintype.models.network_input import OUTPUT
from tintype.models.processor import BFLOAT16_FLAGS, cpu_flags
from tintype.serving.runtimes.network_file import NetworkFile
from tintype.serving.runtimes.precision import Precision

ERRORS_ONLY = 3             # ONNX Runtime's log severity

PROCESSOR, CUDA, TENSORRT = "CPUExecutionProvider", "CUDAExecutionProvider", "TensorrtExecutionProvider"
ARM = ("aarch64", "arm64")
ARM_BFLOAT16 = "mlas.enable_gemm_fastmath_arm64_bfloat16"
BOUND_TO = "session.intra_op_thread_affinities"  # of the other threads: "2;3,4"; processors count from 1
ENGINES = "tensorrt"        # folder beside the ONNX file where TensorRT keeps what took it minutes to build


@final
class OnnxRuntime:
    """An ONNX Runtime session."""

    def __init__(
        self, session: onnxruntime.InferenceSession, name: str, callers_core: frozenset[int] = frozenset()
    ) -> None:
        self._session = session
        self._name = name           # of its input
        self.callers_core = callers_core

    def logits(self, images: np.ndarray) -> np.ndarray:
        """A batch in the layout that the network reads to float32 (n, classes)."""
        (answer,) = self._session.run([OUTPUT], {self._name: images})
        return np.asarray(answer)


def able_on_processor(archive: Archive) -> Sequence[Precision]:
    """Integers and float32, as far as there are files; bfloat16 on ARM, the only place where it has kernels for it."""
    able: list[Precision] = ["int8"] if archive.integers else []
    if archive.onnx:
        able.append("fp32")
        if platform.machine().lower() in ARM and cpu_flags() & BFLOAT16_FLAGS:
            able.append("bf16")
    return able


def able_on_cuda(archive: Archive) -> Sequence[Precision]:
    """float32 (TF32 inside), when the package is onnxruntime-gpu."""
    return ["fp32"] if archive.onnx and CUDA in onnxruntime.get_available_providers() else []


def able_on_tensorrt(archive: Archive) -> Sequence[Precision]:
    """float32 and bfloat16, when the package is onnxruntime-gpu and TensorRT is there.

    Not our integers: TensorRT wants signed ones around 0, and ours have the zero point that suits a processor.
    """
    return ["fp32", "bf16"] if archive.onnx and TENSORRT in onnxruntime.get_available_providers() else []


def open_onnx(archive: Archive, threads: int, precision: Precision) -> OnnxRuntime:
    """The archive's network on the processor. `threads` 0 means one per core, bound to it. Raises `BadArchive`."""
    entries = {"session.intra_op.allow_spinning": "0"}
    if precision == "bf16":
        entries[ARM_BFLOAT16] = "1"
    if threads:
        return OnnxRuntime(*_open(archive, precision, [PROCESSOR], entries, threads))
    callers, *others = _in_turn(whole_cores()) or [frozenset[int]()]
    if others:
        entries[BOUND_TO] = ";".join(",".join(str(one + 1) for one in sorted(core)) for core in others)
    count = 1 + len(others) if callers else usable_cores()
    return OnnxRuntime(*_open(archive, precision, [PROCESSOR], entries, count), callers)


def _in_turn(cores: Sequence[frozenset[int]]) -> list[frozenset[int]]:
    """The same cores, from another one on in each process: the first has the most to do."""
    first = os.getpid() % len(cores) if cores else 0
    return [*cores[first:], *cores[:first]]


def open_on_cuda(archive: Archive, threads: int, precision: Precision) -> OnnxRuntime:
    """The archive's network on the GPU. What CUDA has no kernel for runs on the processor. Raises `BadArchive`."""
    return OnnxRuntime(*_open(archive, precision, [CUDA, PROCESSOR], {}, threads))


def open_on_tensorrt(archive: Archive, threads: int, precision: Precision) -> OnnxRuntime:
    """The archive's network in TensorRT. The first start takes minutes, the next ones do not. Raises `BadArchive`."""
    options = {
        "trt_engine_cache_enable": True,
        "trt_engine_cache_path": str(archive.directory.parent / ENGINES),
        "trt_timing_cache_enable": True,
        "trt_bf16_enable": precision == "bf16",
    }
    return OnnxRuntime(*_open(archive, precision, [(TENSORRT, options), CUDA, PROCESSOR], {}, threads))


def _open(
    archive: Archive, precision: Precision, providers: Sequence[Any], entries: Mapping[str, str], threads: int
) -> tuple[onnxruntime.InferenceSession, str]:
    """The session, and the name of its input."""
    file = NetworkFile.of(archive, precision)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = ERRORS_ONLY
    for name, value in entries.items():
        options.add_session_config_entry(name, value)
    try:
        session = onnxruntime.InferenceSession(file.path, options, providers=providers)
    except Exception as error:      # ONNX Runtime's errors share no base class of their own
        reason = " ".join(lines_of(error))
        raise BadArchive(f"{file.path.name} cannot be loaded: {reason}; train or export it again") from error
    file.check([one.name for one in session.get_inputs()], [one.name for one in session.get_outputs()])
    return session, file.input
