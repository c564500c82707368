"""The rule WeightDecayTooStrong."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, final

import numpy as np

from tintype.debugger.collection import Collection
from tintype.rules.attached import LOSSES
from tintype.rules.finding import Change, Finding, Knob, Remedy
from tintype.rules.loss_history import loss_at
from tintype.rules.parameters import Parameters, parameter
from tintype.rules.rule import Profile, Rule
from tintype.rules.step_view import StepView
from tintype.rules.weight_travel import WEIGHTS, WeightTravel, spread

if TYPE_CHECKING:
    from tintype.debugger.tensor_log import TensorLog

FIRST_STEPS = 2000                      # later, weights before a normalisation may shrink and do no harm
WINDOW = 10
AT_END = 0.5                            # share of the first deviation that is left when the training ends


@final
@dataclass(frozen=True)
class WeightDecayTooStrongParameters(Parameters):
    """What WeightDecayTooStrong can be told."""

    threshold: float = parameter(0.2, "share of their first deviation that weights must keep", low=0, high=1)


@final
@dataclass
class WeightDecayTooStrong(Rule[WeightDecayTooStrongParameters]):
    """Weight decay pulls the weights to zero faster than gradients can build them up.

    Fires when within the first 2,000 steps half of the weight tensors have shrunk to less than `threshold` of the
    deviation they began with, while the loss is not lower than 90 % of its first value; or to less than half, if that
    is where a training ends.

    **Needs** losses of each step and `min, max, mean, std` of weights now and then. SageMaker has no such rule.
    """

    NAME: ClassVar[str] = "WeightDecayTooStrong"
    PARAMETERS: ClassVar[type[Parameters]] = WeightDecayTooStrongParameters
    ATTACHES: ClassVar[tuple[Collection, ...]] = (LOSSES, WEIGHTS)

    parameters: WeightDecayTooStrongParameters = field(default_factory=WeightDecayTooStrongParameters)
    profile: Profile = Profile.RIGHT
    _travel: WeightTravel = field(default_factory=WeightTravel)
    _losses: list[float] = field(default_factory=list)
    _last: StepView | None = None
    _said: bool = False

    def check(self, log: TensorLog, step: StepView) -> Iterable[Finding]:
        if not step.is_training or step.mode_step > FIRST_STEPS:
            return
        values = [value for name in step.names(collection="losses") if (value := loss_at(step, name)) is not None]
        self._losses += values[:1]
        if self._travel.add(step):
            self._last = step
            yield from self._judge(step, self.parameters.threshold)

    def conclude(self, log: TensorLog) -> Iterable[Finding]:
        return self._judge(self._last, max(AT_END, self.parameters.threshold)) if self._last is not None else ()

    def _judge(self, step: StepView, threshold: float) -> Iterator[Finding]:
        if self._said or len(self._losses) < WINDOW:
            return
        kept = {
            name: spread(last) / spread(first)
            for name, first in self._travel.first.items()
            if np.isfinite(last := self._travel.last[name]).all() and spread(first) > 0
        }
        middle = float(np.median(list(kept.values()))) if kept else 1.0
        if middle < threshold and not np.median(self._losses[-WINDOW:]) < 0.9 * self._losses[0]:
            self._said = True
            least = min(kept, key=kept.__getitem__)
            yield Finding(
                self.NAME, step.step, step.mode, step.mode_step, least, middle, threshold,
                f"after {step.mode_step + 1} steps half of the weight tensors have at most {100 * middle:.2g} % of "
                f"the deviation they began with ({least} has {100 * kept[least]:.2g} %), and the loss has not fallen",
                CAUSE, REMEDY,
            )  # fmt: skip

    def missing(self) -> str:
        return "" if self._travel.steps > 1 else "weights of two steps are needed, and fewer were saved"


CAUSE = "weight decay times learning rate takes off more at each step than gradients put on"
REMEDY = Remedy("lower the weight decay to 0.05 or less", (Change(Knob.WEIGHT_DECAY, value="0.01"),))
