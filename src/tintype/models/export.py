"""A trained network as an ONNX file, which serves without torch and several times faster on a CPU.

Two of PyTorch's exporters are tried, the quick one first, and what comes out is believed only when ONNX Runtime gives
the network's own answers, for another batch size than it was traced with. CPU seconds, 64 px, one core of the 2-core
machine this was written on, PyTorch 2.15:

                            small_cnn   resnet18   efficientnet_b0   mobilenetv3_large   vit_tiny
    tracing (TorchScript)      0.1         0.4           0.8               0.6              0.6
    torch.export ("dynamo")    3.3         3.5           9.9              12.8              7.5

Tracing is on its way out of PyTorch; the day it is gone, the other one takes over by itself. A network that neither can
express keeps working: its archive has no ONNX file, and it is served by torch.
"""

from __future__ import annotations

import copy
import io
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import nn

from tintype.errors import lines_of
from tintype.models.network_input import NORMALISED, OUTPUT
from tintype.models.onnx_file import refuse_external_data
from tintype.storage import write_bytes

INPUT = NORMALISED                      # float32 (n, 3, s, s); the output is (n, classes)
OPSET = 18
LARGEST_DIFFERENCE = 1e-3               # of a logit, as a share of the largest one
SMALLEST_DIFFERENCE = 1e-6              # below it, a difference is none
TRACED_BATCH, CHECKED_BATCH = 2, 3      # images; they differ, so that a batch traced as a constant shows


@dataclass(frozen=True)
class Export:
    """What became of an export."""

    path: Path | None                   # None: it did not work, and `reason` says why
    max_difference: float | None        # largest absolute difference of a logit from torch's
    reason: str | None = None


def export_onnx(module: nn.Module, image_size: int, path: Path, classes: int) -> Export:
    """Write `module` (images (n, 3, s, s) float32 -> logits (n, classes)) to `path` as ONNX, for any n, and check it.

    The module itself is not touched. Raises `StorageFailed` when the file cannot be written; whatever else goes wrong
    is the `reason` of an export without a path, since an archive without ONNX is still whole.
    """
    network = copy.deepcopy(module).cpu().float().eval()
    reasons: list[str] = []
    for name, exporter in EXPORTERS.items():
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")         # about themselves; the check below is the judge
                content = exporter(network, torch.zeros(TRACED_BATCH, 3, image_size, image_size))
            difference = _difference(network, content, image_size, classes)
        except Exception as error:      # exporters raise what they like, and the outcome is recorded
            reasons.append(f"{name}: {lines_of(error)[0]}")
            continue
        write_bytes(path, content)
        refuse_external_data(path)
        return Export(path, difference)
    return Export(None, None, f"no ONNX file was made ({'; '.join(reasons)})")


class _Differs(Exception):
    """The exported network answers otherwise."""


def _difference(network: nn.Module, content: bytes, image_size: int, classes: int) -> float:
    import onnxruntime  # here, as it starts a thread, and processes are forked that have us imported

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 3      # errors only
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(CHECKED_BATCH, 3, image_size, image_size, generator=generator)
    with torch.inference_mode():
        expected = network(images).numpy()
    logits = np.asarray(session.run([OUTPUT], {INPUT: images.numpy()})[0])
    if logits.shape != (CHECKED_BATCH, classes):
        raise _Differs(f"its logits have the shape {logits.shape}, not {(CHECKED_BATCH, classes)}")
    difference = float(np.abs(logits - expected).max())
    if not difference <= max(LARGEST_DIFFERENCE * float(np.abs(expected).max()), SMALLEST_DIFFERENCE):
        raise _Differs(f"its logits differ from torch's by {difference:.2g}")
    return difference


def _by_tracing(network: nn.Module, images: torch.Tensor) -> bytes:
    # When it fails it prints the whole graph, from C++ and whatever its options say. Standard output may be somebody's
    # JSON, so let that go to the log.
    torch._C._jit_set_onnx_log_output_stream("stderr")
    buffer = io.BytesIO()
    torch.onnx.export(
        network,
        (images,),
        cast(Any, buffer),      # its signature does not admit what it takes
        dynamo=False,
        opset_version=OPSET,
        input_names=[INPUT],
        output_names=[OUTPUT],
        dynamic_axes={INPUT: {0: "n"}, OUTPUT: {0: "n"}},
    )
    return buffer.getvalue()


def _by_torch_export(network: nn.Module, images: torch.Tensor) -> bytes:
    program = torch.onnx.export(
        network,
        (images,),
        dynamo=True,
        opset_version=OPSET,
        input_names=[INPUT],
        output_names=[OUTPUT],
        dynamic_shapes=({0: torch.export.Dim("n")},),
        verbose=False,
    )
    if program is None:
        raise RuntimeError("it made no program")
    return program.model_proto.SerializeToString()


EXPORTERS: dict[str, Callable[[nn.Module, torch.Tensor], bytes]] = {
    "tracing": _by_tracing,
    "torch.export": _by_torch_export,
}
