"""Training batches: which images, in which order, augmented how. All of it follows from seed, epoch and step.

    row numbers → pictures uint8 (n, side, side, 3) → Augmentation → Mix → images float32 (n, 3, size, size)

Several processes share each batch: its randomness is drawn for all of it, and each takes its rows. So an epoch
that is taken up in the middle, or by another number of processes, goes on with the same images.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tintype.datasets.batches import Prefetch, epoch_order
from tintype.training.augmentation import Augmentation
from tintype.training.device import Place
from tintype.training.losses import sampling_weights
from tintype.training.material import Split
from tintype.training.mixing import Targets, apply_mix, draw_mix
from tintype.training.session import Session

RESIDENT_SHARE = 0.5        # of the GPU's free memory that the pictures may take
UPLOAD_ROWS = 4096          # pictures copied to the GPU at a time
SMALLEST_PIECE = 2          # images per process and forward pass; batch norm has no deviation of one
AUGMENTING = 1              # the stream of random numbers that this file draws from


@final
@dataclass(frozen=True, eq=False)
class Batch:
    """One forward pass of one process. `weight` makes the sum over the step's passes and processes a mean."""

    images: Tensor          # (n, 3, size, size) float32, normalised
    targets: Targets
    weight: float


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
        self._plan = plan
        self._world = session.host.world
        self._labels = split.labels
        self._aspects = split.cache.aspect[split.rows]
        self._weights = sampling_weights(plan.loss, split.labels)
        self._pictures = Pictures(split, session.place)
        self._device = session.place.device
        side = split.cache.images.shape[1]
        self._augmentation = Augmentation(plan.augmentation, session.material.preprocessing, side)
        self._memory_format = session.place.memory_format

    @property
    def steps(self) -> int:
        """Optimiser steps per epoch."""
        return len(self._groups(np.arange(len(self._labels))))

    def epoch(self, epoch: int, first: int = 0) -> Iterator[tuple[int, list[Batch]]]:
        """(step, its batches) of `epoch`, beginning with step `first`; both count from 0.

        Batches are made ahead, in another thread, while the network works on the one before.
        """
        order = epoch_order(len(self._labels), seed=self._plan.seed, epoch=epoch, weights=self._weights)
        groups = self._groups(order)
        steps = ((step, self._batches(groups[step], epoch, step)) for step in range(first, len(groups)))
        with Prefetch(steps) as ahead:
            yield from ahead

    def _groups(self, order: NDArray[np.int64]) -> list[NDArray[np.int64]]:
        """The images of each optimiser step, for all processes together."""
        size = self._plan.batch_size * self._plan.accumulate * self._world.size
        groups = [order[start : start + size] for start in range(0, len(order), size)]
        if len(groups) > 1 and len(groups[-1]) < SMALLEST_PIECE * self._world.size:
            groups.pop()
        return groups

    def _batches(self, group: NDArray[np.int64], epoch: int, step: int) -> list[Batch]:
        rng = random_stream(self._plan.seed, epoch, step)
        size = self._plan.batch_size * self._world.size
        pieces = [group[start : start + size] for start in range(0, len(group), size)]
        if len(pieces) > 1 and len(pieces[-1]) < SMALLEST_PIECE * self._world.size:
            pieces[-2:] = [np.concatenate(pieces[-2:])]
        return [self._batch(piece, len(group), rng) for piece in pieces]

    def _batch(self, piece: NDArray[np.int64], group_size: int, rng: np.random.Generator) -> Batch:
        bounds = np.linspace(0, len(piece), self._world.size + 1).astype(int)
        mine = slice(bounds[self._world.rank], bounds[self._world.rank + 1])
        draws = self._augmentation.draw(rng, self._aspects[piece])[mine]
        mix = draw_mix(rng, self._plan.augmentation)
        positions = piece[mine]
        images = self._augmentation.apply(self._pictures.take(positions), draws)
        labels = torch.from_numpy(self._labels[positions]).to(self._device)
        images, targets = apply_mix(images, labels, mix)
        weight = len(positions) * self._world.size / group_size
        return Batch(images.contiguous(memory_format=self._memory_format), targets, weight)


def random_stream(seed: int, epoch: int, step: int) -> np.random.Generator:
    """The random numbers of one optimiser step, the same on every machine."""
    return np.random.Generator(np.random.Philox(counter=[0, 0, 0, AUGMENTING], key=[seed, epoch << 32 | step]))


def reseed(place: Place, seed: int, epoch: int, step: int, rank: int) -> None:
    """Set torch's own generators (dropout, drop path) for one step: no state of theirs needs to be kept."""
    number = int(np.random.SeedSequence((seed, epoch, step, rank)).generate_state(1, np.uint64)[0] >> 1)
    torch.default_generator.manual_seed(number)
    if place.device.type == "cuda":
        torch.cuda.manual_seed(number)
