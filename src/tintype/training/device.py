"""Where a job computes, and in which numbers: chosen from what the hardware really has."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import final

import torch

from tintype.cores import usable_cores
from tintype.errors import InvalidRequest
from tintype.models.processor import BFLOAT16_FLAGS, cpu_flags
from tintype.training.plan import ComputePlan


@final
@dataclass(frozen=True)
class Place:
    """A device and how to compute on it. `half` is the type of autocast regions; None means fp32 throughout."""

    device: torch.device
    half: torch.dtype | None
    channels_last: bool
    threads: int

    def autocast(self) -> AbstractContextManager[object]:
        """The context for forward passes and losses."""
        return torch.autocast(self.device.type, dtype=self.half, enabled=self.half is not None, cache_enabled=True)

    @property
    def scales_loss(self) -> bool:
        """True when gradients would underflow without a scaler (fp16)."""
        return self.half is torch.float16

    @property
    def memory_format(self) -> torch.memory_format:
        """How image batches and convolution weights are laid out."""
        return torch.channels_last if self.channels_last else torch.contiguous_format

    @property
    def precision(self) -> str:
        """For people: fp32, bf16 or fp16."""
        return {None: "fp32", torch.bfloat16: "bf16", torch.float16: "fp16"}[self.half]

    def __str__(self) -> str:
        name = torch.cuda.get_device_name(self.device) if self.device.type == "cuda" else f"{self.threads} CPU threads"
        return f"{name}, {self.precision}{', channels last' if self.channels_last else ''}"


def choose_place(compute: ComputePlan, *, local_rank: int = 0, processor_flags: frozenset[str] | None = None) -> Place:
    """The place that `compute` asks for on this machine.

    Raises `InvalidRequest` when it asks for a GPU, or for a number format, that is not there.
    """
    device = _device(compute.device, local_rank)
    flags = cpu_flags() if processor_flags is None else processor_flags
    return Place(
        device=device,
        half=_half(compute.precision, device, flags),
        channels_last=compute.channels_last,
        threads=compute.threads or usable_cores(),
    )


def settle(place: Place, *, deterministic: bool) -> None:
    """Set what torch keeps per process to what this job wants, whatever the job before it wanted."""
    torch.set_num_threads(place.threads)
    torch.backends.cudnn.deterministic = deterministic
    torch.backends.cudnn.benchmark = not deterministic
    torch.set_float32_matmul_precision("high")              # fp32 on a GPU multiplies in TF32; no effect on a CPU


def _device(wanted: str, local_rank: int) -> torch.device:
    if wanted == "cuda" and not torch.cuda.is_available():
        raise InvalidRequest("device: there is no usable CUDA GPU here; use device auto or cpu")
    if wanted == "cpu" or not torch.cuda.is_available():
        return torch.device("cpu")
    return torch.device("cuda", local_rank)


def _half(wanted: str, device: torch.device, flags: frozenset[str]) -> torch.dtype | None:
    on_gpu = device.type == "cuda"
    has_bfloat16 = torch.cuda.is_bf16_supported(including_emulation=False) if on_gpu else bool(flags & BFLOAT16_FLAGS)
    if wanted == "fp32":
        return None
    if wanted == "bf16" and not has_bfloat16:
        where = "GPU" if on_gpu else "processor"
        raise InvalidRequest(f"precision: this {where} has no bf16; use precision auto or fp32")
    if wanted == "fp16" and not on_gpu:
        raise InvalidRequest("precision: fp16 needs a GPU; use precision auto, bf16 or fp32")
    if has_bfloat16 and wanted != "fp16":
        return torch.bfloat16
    return torch.float16 if on_gpu else None
