"""Several processes training one network: who they are, and the few things they say to each other.

Started by torchrun, which puts RANK, WORLD_SIZE and LOCAL_RANK into the environment; `join` reads them from the
mapping it is given. One process alone is the ordinary case and costs nothing.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import final

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

JOIN_SECONDS = 600          # how long the others may take, e.g. to decode the images


@final
@dataclass(frozen=True)
class World:
    """`size` processes, of which this is number `rank`; `local_rank` counts within the machine."""

    rank: int = 0
    size: int = 1
    local_rank: int = 0

    @property
    def leads(self) -> bool:
        """True for the one process that writes files and speaks."""
        return self.rank == 0

    @property
    def is_alone(self) -> bool:
        """True for an ordinary job of one process."""
        return self.size == 1

    def share(self, module: nn.Module, device: torch.device) -> nn.Module:
        """`module` with its gradients averaged over all processes in every backward pass."""
        if self.is_alone:
            return module
        if device.type == "cuda":
            module = nn.SyncBatchNorm.convert_sync_batchnorm(module)
        return DistributedDataParallel(module, device_ids=[device] if device.type == "cuda" else None)

    def gather(self, rows: Tensor) -> Tensor:
        """All processes' `rows` one below the other, (sum of n, ...), on every process; n may differ."""
        if self.is_alone:
            return rows
        counts = [torch.zeros(1, dtype=torch.int64, device=rows.device) for _ in range(self.size)]
        dist.all_gather(counts, torch.tensor([len(rows)], device=rows.device))
        longest = max(int(count) for count in counts)
        padded = rows.new_zeros(longest, *rows.shape[1:])
        padded[: len(rows)] = rows
        parts = [torch.zeros_like(padded) for _ in range(self.size)]
        dist.all_gather(parts, padded)
        return torch.cat([part[: int(count)] for part, count in zip(parts, counts, strict=True)])

    def any(self, flag: bool, device: torch.device) -> bool:
        """True on every process when it is true on one of them."""
        if self.is_alone:
            return flag
        said = torch.tensor([float(flag)], device=device)
        dist.all_reduce(said, op=dist.ReduceOp.MAX)
        return bool(said.item())

    def wait(self) -> None:
        """Go on only when all processes have come here."""
        if not self.is_alone:
            dist.barrier()


ALONE = World()


@contextlib.contextmanager
def join(environ: Mapping[str, str]) -> Iterator[World]:
    """The world that torchrun describes in `environ`; `ALONE` when it says nothing."""
    size = int(environ.get("WORLD_SIZE", "1"))
    if size == 1:
        yield ALONE
        return
    world = World(int(environ["RANK"]), size, int(environ.get("LOCAL_RANK", "0")))
    backend = "nccl" if torch.cuda.is_available() else "gloo"
    dist.init_process_group(backend, rank=world.rank, world_size=size, timeout=timedelta(seconds=JOIN_SECONDS))
    try:
        yield world
    finally:
        dist.destroy_process_group()
