"""Training batches: the images of every optimiser step, augmented, on their device.

    Steps → row numbers → pictures uint8 (n, side, side, 3) → Augmentation → Mix → float32 (n, 3, size, size)

Several processes share each batch; each takes its rows of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tintype.datasets.batches import Prefetch
from tintype.training.augmentation import Augmentation
from tintype.training.device import Place
from tintype.training.material import Split
from tintype.training.mixing import Targets, apply_mix
from tintype.training.session import Session
from tintype.training.steps import Piece, Steps

RESIDENT_SHARE = 0.5        # of the GPU's free memory that the pictures may take
UPLOAD_ROWS = 4096          # pictures copied to the GPU at a time


@final
@dataclass(frozen=True, eq=False)
class Batch:
    """One forward pass of one process. `weight` makes the sum over the step's passes and processes a mean."""

    images: Tensor          # (n, 3, size, size) float32, normalised
    targets: Targets
    weight: float
    positions: NDArray[np.int64]    # (n,) of the images, among the usable ones of the split


@final
class Pictures:
    """The cached pictures of a split, on the device if it is a GPU and they fit."""

    def __init__(self, split: Split, place: Place) -> None:
        self._cache = split.cache
        self._rows = split.rows
        self._device = place.device
        self._resident = self._upload() if self._fits() else None

    def take(self, positions: NDArray[np.int64]) -> Tensor:
        """uint8 (n, side, side, 3) on the device; `positions` count the usable images of the split."""
        if self._resident is not None:
            return self._resident[torch.from_numpy(positions).to(self._device)]
        pictures = torch.from_numpy(self._cache.gather(self._rows[positions]))
        if self._device.type == "cpu":
            return pictures
        return pictures.pin_memory().to(self._device, non_blocking=True)

    def _fits(self) -> bool:
        if self._device.type != "cuda":
            return False
        free, _ = torch.cuda.mem_get_info(self._device)
        return self._cache.images.nbytes <= RESIDENT_SHARE * free

    def _upload(self) -> Tensor:
        shape = (len(self._rows), *self._cache.images.shape[1:])
        resident = torch.empty(shape, dtype=torch.uint8, device=self._device)
        for start in range(0, len(self._rows), UPLOAD_ROWS):
            rows = self._rows[start : start + UPLOAD_ROWS]
            resident[start : start + len(rows)] = torch.from_numpy(self._cache.gather(rows))
        return resident


@final
class Feed:
    """The training batches of one process of a session."""

    def __init__(self, session: Session) -> None:
        plan, split = session.plan, session.material.train
        self._world = session.host.world
        self._labels = split.labels
        self._pictures = Pictures(split, session.place)
        self._device = session.place.device
        self._memory_format = session.place.memory_format
        side = split.cache.images.shape[1]
        self._augmentation = Augmentation(plan.augmentation, session.material.preprocessing, side)
        self._steps = Steps(plan, split, self._augmentation, self._world.size)

    @property
    def steps(self) -> int:
        """Optimiser steps per epoch."""
        return self._steps.count

    def epoch(self, epoch: int, first: int = 0) -> Iterator[tuple[int, list[Batch]]]:
        """(step, its batches) of `epoch`, beginning with step `first`; both count from 0.

        Batches are made ahead, in another thread, while the network works on the one before.
        """
        steps = self._steps.epoch(epoch, first)
        batches = ((step, [self._batch(piece) for piece in pieces]) for step, pieces in steps)
        with Prefetch(batches) as ahead:
            yield from ahead

    def _batch(self, piece: Piece) -> Batch:
        """This process's rows of a forward pass."""
        bounds = np.linspace(0, len(piece.positions), self._world.size + 1).astype(int)
        mine = slice(bounds[self._world.rank], bounds[self._world.rank + 1])
        positions = piece.positions[mine]
        images = self._augmentation.apply(self._pictures.take(positions), piece.draws[mine])
        labels = torch.from_numpy(self._labels[positions]).to(self._device)
        images, targets = apply_mix(images, labels, piece.mix)
        weight = piece.share * len(positions) * self._world.size / len(piece.positions)
        return Batch(images.contiguous(memory_format=self._memory_format), targets, weight, positions)


def reseed(place: Place, seed: int, epoch: int, step: int, rank: int) -> None:
    """Set torch's own generators (dropout, drop path) for one step: no state of theirs needs to be kept."""
    number = int(np.random.SeedSequence((seed, epoch, step, rank)).generate_state(1, np.uint64)[0] >> 1)
    torch.default_generator.manual_seed(number)
    if place.device.type == "cuda":
        torch.cuda.manual_seed(number)
