"""torch, for archives without an ONNX file, and for GPUs. The only file here that imports it, and only when called."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, final

import numpy as np

from tintype.errors import BadArchive
from tintype.models.archive import Archive
from tintype.models.processor import BFLOAT16_FLAGS, cpu_flags, has_gpu
from tintype.serving.runtimes.precision import Precision

if TYPE_CHECKING:
    import torch
    from torch import nn


@final
class TorchRuntime:
    """A torch module in eval mode on a device, in float32 or with autocast in bfloat16."""

    callers_core = frozenset[int]()         # OpenMP binds no thread, unless it is told to

    def __init__(self, module: nn.Module, device: torch.device, precision: Precision, *, buckets: bool = False) -> None:
        self._module, self._device = module, device
        self._half = precision == "bf16"
        self._buckets = buckets         # only batches of 1, 2, 4, ... pictures: a compiled module knows few shapes

    def logits(self, images: np.ndarray) -> np.ndarray:
        """float32 (n, 3, size, size), normalised, to float32 (n, classes)."""
        import torch

        count = len(images)
        if self._buckets:
            empty = np.zeros((bucket(count) - count, *images.shape[1:]), np.float32)
            images = np.concatenate([images, empty])
        with torch.inference_mode(), torch.autocast(self._device.type, torch.bfloat16, enabled=self._half):
            batch = torch.from_numpy(images).to(self._device, memory_format=torch.channels_last)
            return self._module(batch)[:count].float().cpu().numpy()


def bucket(count: int) -> int:
    """The smallest power of two that is not below `count`."""
    return 1 << (count - 1).bit_length() if count > 1 else 1


def able(archive: Archive) -> Sequence[Precision]:
    """On a GPU bfloat16 first, as training's own evaluation uses it there; on a processor float32 first."""
    if has_gpu():
        import torch

        if torch.cuda.is_available():
            return ["bf16", "fp32"] if torch.cuda.is_bf16_supported(including_emulation=False) else ["fp32"]
    return ["fp32", "bf16"] if cpu_flags() & BFLOAT16_FLAGS else ["fp32"]


def open_torch(archive: Archive, threads: int, precision: Precision) -> TorchRuntime:
    """Build the network and load the archive's safetensors. `threads` 0 leaves torch's choice. Raises `BadArchive`."""
    module, device = _module(archive, threads)
    return TorchRuntime(module, device, precision)


def open_compiled(archive: Archive, threads: int, precision: Precision) -> TorchRuntime:
    """The same, compiled: each new size of batch, of powers of two, takes tens of seconds when it is first seen."""
    import torch

    module, device = _module(archive, threads)
    return TorchRuntime(torch.compile(module, dynamic=False), device, precision, buckets=True)      # pyright: ignore[reportArgumentType]


def _module(archive: Archive, threads: int) -> tuple[nn.Module, torch.device]:
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    from tintype.models.networks import create

    if threads:
        torch.set_num_threads(threads)
    device = torch.device("cuda" if has_gpu() and torch.cuda.is_available() else "cpu")
    if device.type == "cuda":
        torch.set_float32_matmul_precision("high")      # TF32 in float32, as training does
    description = archive.description
    network = create(description.network, len(description.classes), image_size=description.image_size)
    try:
        network.module.load_state_dict(load_file(archive.weights))
    except (SafetensorError, RuntimeError, OSError) as error:
        raise BadArchive(f"{archive.weights.name} does not fit {description.network}: {str(error)[:300]}") from error
    return network.module.eval().to(device, memory_format=torch.channels_last), device      # pyright: ignore[reportCallIssue]
