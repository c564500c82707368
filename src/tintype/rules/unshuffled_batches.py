"""The rule UnshuffledBatches."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, final

import numpy as np

from tintype.debugger.collection import Collection
from tintype.rules.answers import LOSS_INPUTS, Answers
from tintype.rules.finding import Finding, Remedy
from tintype.rules.parameters import Parameters, parameter
from tintype.rules.rule import Profile, Rule
from tintype.rules.step_view import StepView

if TYPE_CHECKING:
    from tintype.debugger.tensor_log import TensorLog

LEAST_BATCH = 4


@final
@dataclass(frozen=True)
class UnshuffledBatchesParameters(Parameters):
    """What UnshuffledBatches can be told."""

    threshold: float = parameter(0.3, "how alike the labels of a batch may be: 0 chance, 1 all the same", low=0, high=1)
    patience: int = parameter(20, "batches that are judged together", low=2)


@final
@dataclass
class UnshuffledBatches(Rule[UnshuffledBatchesParameters]):
    """Batches hold images of one class, or few: the training images are read in the order of their folders.

    Each batch then pulls the network towards its own class and away from the one before; the loss swings, batch
    normalisation measures one class at a time, and the class read last is favoured in the end.

    Fires when over `patience` batches, of the chance that two images of a batch have the same label, the excess over
    that of two images of all batches so far is more than `threshold` of what it could be.

    **Needs** the inputs of the loss at steps of training, in batches of at least four. SageMaker has no such rule.
    """

    NAME: ClassVar[str] = "UnshuffledBatches"
    PARAMETERS: ClassVar[type[Parameters]] = UnshuffledBatchesParameters
    ATTACHES: ClassVar[tuple[Collection, ...]] = (LOSS_INPUTS,)

    parameters: UnshuffledBatchesParameters = field(default_factory=UnshuffledBatchesParameters)
    profile: Profile = Profile.RIGHT
    _counts: np.ndarray = field(default_factory=lambda: np.zeros(0))
    _alike: list[float] = field(default_factory=list)           # of each batch
    _said: bool = False

    def check(self, log: TensorLog, step: StepView) -> Iterable[Finding]:
        answers = Answers.at(step) if step.is_training and not self._said else None
        if answers is None or len(answers) < LEAST_BATCH:
            return
        counts = np.bincount(answers.labels, minlength=answers.classes).astype(np.float64)
        self._counts = counts + self._counts if self._counts.size == counts.size else counts
        self._alike.append(_alike(counts))
        if len(self._alike) % self.parameters.patience:
            return
        overall = _alike(self._counts)
        excess = (float(np.mean(self._alike[-self.parameters.patience :])) - overall) / max(1 - overall, 1e-9)
        if overall < 1 and excess > self.parameters.threshold:
            self._said = True
            yield Finding(
                self.NAME, step.step, step.mode, step.mode_step, f"{answers.loss}_input_1", excess,
                self.parameters.threshold,
                f"two images of one batch have the same label with a chance of {excess + overall * (1 - excess):.2g}, "
                f"any two images with one of {overall:.2g}",
                CAUSE, REMEDY,
            )  # fmt: skip

    def missing(self) -> str:
        if len(self._alike) >= self.parameters.patience:
            return ""
        return f"labels of {self.parameters.patience} batches are needed, and {len(self._alike)} were saved"


def _alike(counts: np.ndarray) -> float:
    """The chance that two different images have the same label."""
    total = counts.sum()
    return float((counts * (counts - 1)).sum() / (total * (total - 1)))


CAUSE = "the data loader does not shuffle, and the images are in the order of their class folders"
REMEDY = Remedy("shuffle the training images in each epoch, as with DataLoader(..., shuffle=True)")
