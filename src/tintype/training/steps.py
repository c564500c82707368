"""What every optimiser step of a job sees: which images, in which order, augmented how.

All of it follows from seed, epoch and step, and is drawn for all processes together. So an epoch that is taken up in
the middle, or by another number of processes, goes on with the same images; and a head that is trained on cached
features sees what the whole network would have seen.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from tintype.datasets.batches import epoch_order
from tintype.training.augmentation import Augmentation, Draws
from tintype.training.losses import sampling_weights
from tintype.training.material import Split
from tintype.training.mixing import Mix, draw_mix
from tintype.training.plan import TrainingPlan

SMALLEST_PIECE = 2          # images per process and forward pass; batch norm has no deviation of one
AUGMENTING = 1              # the stream of random numbers that this file draws from


@final
@dataclass(frozen=True, eq=False)
class Piece:
    """One forward pass of all processes together, n images. `share` of the step's images are in it, of 1."""

    positions: NDArray[np.int64]        # (n,) counting the usable images of the split
    draws: Draws
    mix: Mix | None
    share: float


@final
class Steps:
    """The optimiser steps over one split, for `processes` that share the work."""

    def __init__(self, plan: TrainingPlan, split: Split, augmentation: Augmentation, processes: int) -> None:
        self._plan = plan
        self._count = len(split)
        self._weights = sampling_weights(plan.loss, split.labels)
        self._aspects = split.cache.aspect[split.rows]
        self._augmentation = augmentation
        self._processes = processes

    @property
    def count(self) -> int:
        """Optimiser steps per epoch."""
        return len(self._groups(np.arange(self._count)))

    def epoch(self, epoch: int, first: int = 0) -> Iterator[tuple[int, list[Piece]]]:
        """(step, its forward passes) of `epoch`, beginning with step `first`; both count from 0."""
        order = epoch_order(self._count, seed=self._plan.seed, epoch=epoch, weights=self._weights)
        groups = self._groups(order)
        for step in range(first, len(groups)):
            yield step, self._pieces(groups[step], epoch, step)

    def _groups(self, order: NDArray[np.int64]) -> list[NDArray[np.int64]]:
        """The images of each optimiser step."""
        size = self._plan.batch_size * self._plan.accumulate * self._processes
        groups = [order[start : start + size] for start in range(0, len(order), size)]
        if len(groups) > 1 and len(groups[-1]) < SMALLEST_PIECE * self._processes:
            groups.pop()
        return groups

    def _pieces(self, group: NDArray[np.int64], epoch: int, step: int) -> list[Piece]:
        rng = random_stream(self._plan.seed, epoch, step)
        size = self._plan.batch_size * self._processes
        cut = [group[start : start + size] for start in range(0, len(group), size)]
        if len(cut) > 1 and len(cut[-1]) < SMALLEST_PIECE * self._processes:
            cut[-2:] = [np.concatenate(cut[-2:])]
        return [self._piece(positions, len(positions) / len(group), rng) for positions in cut]

    def _piece(self, positions: NDArray[np.int64], share: float, rng: np.random.Generator) -> Piece:
        draws = self._augmentation.draw(rng, self._aspects[positions])
        return Piece(positions, draws, draw_mix(rng, self._plan.augmentation), share)


def random_stream(seed: int, epoch: int, step: int) -> np.random.Generator:
    """The random numbers of one optimiser step, the same on every machine."""
    return np.random.Generator(np.random.Philox(counter=[0, 0, 0, AUGMENTING], key=[seed, epoch << 32 | step]))
