"""The rule GradientNoise."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, final

import numpy as np

from tintype.debugger.collection import Collection
from tintype.rules.answers import LOSS_INPUTS, Answers
from tintype.rules.attached import LOSSES, reduced
from tintype.rules.finding import Change, Finding, Knob, Remedy
from tintype.rules.loss_history import loss_at
from tintype.rules.parameters import Parameters, parameter
from tintype.rules.rule import Profile, Rule
from tintype.rules.step_view import StepView

if TYPE_CHECKING:
    from tintype.debugger.tensor_log import TensorLog

LEAST = 12                              # saved gradients for an estimate
KEPT = 24
LEAST_LOSSES = 60
SLOW = 0.85                             # of its first level: a loss that came below it is on its way


@final
@dataclass(frozen=True)
class GradientNoiseParameters(Parameters):
    """What GradientNoise can be told."""

    threshold: float = parameter(10.0, "noise scale, in batches, above which the batch is too small", low=0)


@final
@dataclass
class GradientNoise(Rule[GradientNoiseParameters]):
    """The gradient of a batch is mostly chance: the batches are too small for this network and learning rate.

    The noise scale is the batch size at which the gradient of a batch is as far from that of all images as that one is
    long. Far smaller batches make steps in random directions; far larger ones cost time and gain nothing. It is
    estimated here from how much the gradients of different steps agree: with v the means of the gradients of all
    layers, each in units of its own size, the scale is B · (1/ρ - 1) for batches of B images, where ρ is the mean
    product of the v of two different steps over the mean square of v.

    Fires at the end of a training of at least 60 steps when the scale is above `threshold` batches while the loss has
    not come below 85 % of where it began. Near a minimum every gradient is mostly noise, which is no fault.

    **Needs** `mean, l2` of gradients at twelve steps, the losses, and labels for the size of a batch.
    SageMaker has no such rule.

    Source: McCandlish, Kaplan, Amodei et al., "An empirical model of large-batch training", 2018, section 2.2 and
    appendix A; the projection on the mean of each layer in the place of the whole gradient is ours.
    """

    NAME: ClassVar[str] = "GradientNoise"
    PARAMETERS: ClassVar[type[Parameters]] = GradientNoiseParameters
    ATTACHES: ClassVar[tuple[Collection, ...]] = (LOSSES, LOSS_INPUTS, reduced("gradients", "mean,l2_norm"))

    parameters: GradientNoiseParameters = field(default_factory=GradientNoiseParameters)
    profile: Profile = Profile.RIGHT
    _recent: deque[dict[str, float]] = field(default_factory=lambda: deque(maxlen=KEPT))
    _losses: list[float] = field(default_factory=list)
    _batch: int = 0
    _last: StepView | None = None

    def check(self, log: TensorLog, step: StepView) -> Iterable[Finding]:
        if not step.is_training:
            return ()
        values = [value for name in step.names(collection="losses") if (value := loss_at(step, name)) is not None]
        self._losses += values[:1]
        directions = {
            name: mean / size
            for name in step.names(collection="gradients")
            if (mean := step.number(name, "mean")) is not None and (size := step.number(name, "l2"))
        }
        if directions:
            self._recent.append(directions)
            self._last = step
            answers = Answers.at(step)
            self._batch = len(answers) if answers is not None else self._batch
        return ()

    def conclude(self, log: TensorLog) -> Iterator[Finding]:
        if self.missing() or self._last is None:
            return
        tenth = max(10, len(self._losses) // 10)
        first, last = np.median(self._losses[:tenth]), np.median(self._losses[-tenth:])
        scale = self.noise_in_batches()
        if scale > self.parameters.threshold and last > SLOW * first:
            step, said = self._last, "more than 1,000" if scale > 1000 else f"{scale:.3g}"
            yield Finding(
                self.NAME, step.step, step.mode, step.mode_step, next(iter(self._recent[-1])), scale,
                self.parameters.threshold,
                f"the noise scale is {said} batches of {self._batch}: the gradients of different steps hardly agree, "
                "and the loss has hardly fallen",
                f"a batch of {self._batch} images is too small a sample to tell the direction",
                Remedy("use batches that are four to sixteen times as large, or a lower learning rate",
                       (Change(Knob.BATCH_SIZE, 8.0),)),
            )  # fmt: skip

    def missing(self) -> str:
        if len(self._recent) >= LEAST and len(self._losses) >= LEAST_LOSSES and self._batch:
            return ""
        return f"gradients of {LEAST} steps, {LEAST_LOSSES} losses and labels are needed"

    def noise_in_batches(self) -> float:
        """The estimated noise scale in units of the batch; infinite when no two steps agree."""
        names = sorted(set.intersection(*map(set, self._recent)))
        vectors = np.array([[one[name] for name in names] for one in self._recent])
        vectors = vectors[np.isfinite(vectors).all(axis=1)]
        count = len(vectors)
        if count < 2 or not vectors.size:
            return 0.0
        squares = float((vectors**2).sum() / count)
        total = vectors.sum(axis=0)
        agreement = float((total @ total - count * squares) / (count * (count - 1)))
        share = agreement / squares if squares else 0.0
        return 1 / share - 1 if share > 0 else float("inf")
