"""Cross-entropy with label smoothing, class weights and blended targets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from tintype.datasets.batches import balanced_weights
from tintype.errors import JobFailed
from tintype.training.mixing import Targets
from tintype.training.plan import LossPlan


@final
@dataclass(frozen=True, eq=False)
class CrossEntropy:
    """The training loss. `weights` (classes,) float32 or None."""

    smoothing: float
    weights: Tensor | None

    def __call__(self, logits: Tensor, targets: Targets) -> Tensor:
        """The mean over the batch, a float32 scalar; `logits` are (n, classes) of any float type."""
        loss = self._of(logits.float(), targets.labels)
        if targets.partners is None:
            return loss
        return targets.share * loss + (1 - targets.share) * self._of(logits.float(), targets.partners)

    def _of(self, logits: Tensor, labels: Tensor) -> Tensor:
        return F.cross_entropy(logits, labels, self.weights, label_smoothing=self.smoothing)


@final
class LossGuard:
    """Notices a loss that is no number. It looks at many steps at once, since a look makes the processor wait."""

    def __init__(self) -> None:
        self._unseen: list[tuple[int, Tensor]] = []

    def add(self, step: int, loss: Tensor) -> None:
        """The loss of a batch of optimiser step `step` (from 0), still on its device."""
        self._unseen.append((step, loss.detach()))

    def check(self, epoch: int) -> None:
        """Look at what was added since the last time. Raises `JobFailed` naming `epoch` and the first bad step."""
        if not self._unseen:
            return
        finite = torch.isfinite(torch.stack([loss for _, loss in self._unseen])).tolist()
        for (step, loss), is_finite in zip(self._unseen, finite, strict=True):
            if not is_finite:
                raise JobFailed(
                    f"the loss became {float(loss)} in epoch {epoch + 1}, step {step + 1}; "
                    "try a lower learning rate, or clip-norm 1"
                )
        self._unseen = []


def create_loss(plan: LossPlan, labels: NDArray[np.int64], classes: int, device: torch.device) -> CrossEntropy:
    """The loss that `plan` asks for, given the labels of all training images."""
    weights = torch.from_numpy(class_weights(labels, classes)).to(device) if plan.balance == "weights" else None
    return CrossEntropy(plan.label_smoothing, weights)


def class_weights(labels: NDArray[np.int64], classes: int) -> NDArray[np.float32]:
    """(classes,): rare classes weigh more, so that all weigh the same in sum; 1 on average over the images."""
    counts = np.bincount(labels, minlength=classes)
    present = max(np.count_nonzero(counts), 1)
    return np.where(counts > 0, len(labels) / (present * np.maximum(counts, 1)), 0.0).astype(np.float32)


def sampling_weights(plan: LossPlan, labels: NDArray[np.int64]) -> NDArray[np.float64] | None:
    """(n,) how often to draw each image when the plan balances by sampling, else None."""
    return balanced_weights(labels) if plan.balance == "sampling" else None
