"""What a network says of a split: logits for every image, in order."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import final

import numpy as np
import torch
from torch import Tensor, nn

from tintype.training.augmentation import normalise
from tintype.training.feed import Pictures
from tintype.training.material import Split
from tintype.training.metrics import Score, score_logits
from tintype.training.session import Session

BATCH_PIXELS = 64 * 224 * 224       # per evaluation batch: enough for full speed, little enough for the caches
LARGEST_BATCH = 512                 # images


@final
@dataclass(frozen=True, eq=False)
class Evaluation:
    """The answers for the n images of `split`: logits (n, classes) float32 on the CPU."""

    split: Split
    logits: Tensor

    @cached_property
    def score(self) -> Score:
        """Loss (plain cross-entropy), accuracies and the confusion matrix."""
        return score_logits(self.logits, torch.from_numpy(self.split.labels))

    @property
    def probabilities(self) -> Tensor:
        """(n, classes) float32, rows sum to 1."""
        return self.logits.softmax(dim=1)


@final
class Evaluator:
    """Evaluates modules on one split, which several processes share."""

    def __init__(self, session: Session, split: Split) -> None:
        self._session = session
        self._split = split
        self._pictures = Pictures(split, session.place)

    @torch.inference_mode()
    def __call__(self, module: nn.Module) -> Evaluation:
        """Run `module` in evaluation mode over the split; it is left in that mode."""
        world = self._session.host.world
        bounds = np.linspace(0, len(self._split), world.size + 1).astype(int)
        mine = np.arange(bounds[world.rank], bounds[world.rank + 1])
        module.eval()
        answers = [self._answers(module, batch) for batch in self._batches(mine)]
        return Evaluation(self._split, world.gather(torch.cat(answers)).cpu())

    def _batches(self, positions: np.ndarray) -> list[np.ndarray]:
        side = self._session.material.preprocessing.size
        size = min(max(BATCH_PIXELS // side**2, 1), LARGEST_BATCH)
        return [positions[start : start + size] for start in range(0, len(positions), size)] or [positions]

    def _answers(self, module: nn.Module, positions: np.ndarray) -> Tensor:
        place = self._session.place
        pictures = self._pictures.take(positions)                                       # (n, s, s, 3) uint8
        images = normalise(pictures.permute(0, 3, 1, 2).to(torch.float32), self._session.material.preprocessing)
        with place.autocast():
            return module(images.contiguous(memory_format=place.memory_format)).float()  # (n, classes)
