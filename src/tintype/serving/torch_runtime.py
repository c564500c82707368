"""torch, for archives that have no ONNX file. The only file of this part that imports it, and only when called."""

from __future__ import annotations

from typing import TYPE_CHECKING, final

import numpy as np

from tintype.errors import BadArchive
from tintype.models.archive import Archive

if TYPE_CHECKING:
    from torch import nn


@final
class TorchRuntime:
    """A torch module in eval mode, on the processor."""

    def __init__(self, module: nn.Module) -> None:
        self._module = module

    def logits(self, images: np.ndarray) -> np.ndarray:
        """float32 (n, 3, size, size), normalised, to float32 (n, classes)."""
        import torch

        with torch.inference_mode():
            batch = torch.from_numpy(images).contiguous(memory_format=torch.channels_last)
            return self._module(batch).numpy()


def open_torch(archive: Archive, threads: int) -> TorchRuntime:
    """Build the network and load the archive's safetensors. `threads` 0 leaves torch's choice."""
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    from tintype.models.networks import create

    if threads:
        torch.set_num_threads(threads)
    description = archive.description
    network = create(description.network, len(description.classes), image_size=description.image_size)
    try:
        network.module.load_state_dict(load_file(archive.weights))
    except (SafetensorError, RuntimeError, OSError) as error:
        raise BadArchive(f"{archive.weights.name} does not fit {description.network}: {str(error)[:300]}") from error
    return TorchRuntime(network.module.eval().to(memory_format=torch.channels_last))
