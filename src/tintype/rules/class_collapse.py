"""The rule ClassCollapse."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, final

import numpy as np

from tintype.debugger.collection import Collection
from tintype.rules.answer_history import AnswerHistory, Pass
from tintype.rules.answers import LOSS_INPUTS
from tintype.rules.finding import Change, Finding, Knob, Remedy
from tintype.rules.parameters import Parameters, parameter
from tintype.rules.rule import Profile, Rule
from tintype.rules.step_view import StepView

if TYPE_CHECKING:
    from tintype.debugger.tensor_log import TensorLog

LEAST_SAMPLES = 30
WARM_UP_STEPS = 30                      # until then the running figures of batch norms still know their start


@final
@dataclass(frozen=True)
class ClassCollapseParameters(Parameters):
    """What ClassCollapse can be told."""

    threshold: float = parameter(0.9, "share of all answers that one class may have", low=0, high=1)
    patience: int = parameter(3, "passes of evaluation in a row; at the end of the training two are enough", low=1)


@final
@dataclass
class ClassCollapse(Rule[ClassCollapseParameters]):
    """The network answers almost every image with the same class.

    Such a model has the accuracy of guessing, and a loss that looks calm. It happens when the last updates of a rate
    that is too high have left only biases alive, when weight decay has pulled every weight to zero, when no gradient
    arrives, or when one class is nearly all of the training images.

    Fires when in `patience` passes over the validation images in a row one class is more than `threshold` of the
    answers, though it is less than `threshold - 0.2` of the labels. In the first 30 steps of a training this is
    usual, with batch normalisation above all, and does not count.

    **Needs** the inputs of the loss in evaluation, two passes of at least 30 images. SageMaker has no such rule.
    """

    NAME: ClassVar[str] = "ClassCollapse"
    PARAMETERS: ClassVar[type[Parameters]] = ClassCollapseParameters
    ATTACHES: ClassVar[tuple[Collection, ...]] = (LOSS_INPUTS,)

    parameters: ClassCollapseParameters = field(default_factory=ClassCollapseParameters)
    profile: Profile = Profile.RIGHT
    _history: AnswerHistory = field(default_factory=AnswerHistory)
    _in_a_row: int = 0
    _passes: int = 0

    def check(self, log: TensorLog, step: StepView) -> Iterable[Finding]:
        ended = self._history.add(step)
        return self._judge(ended, self.parameters.patience) if ended else ()

    def conclude(self, log: TensorLog) -> Iterable[Finding]:
        ended = self._history.close()
        return self._judge(ended, min(2, self.parameters.patience)) if ended else ()

    def missing(self) -> str:
        if self._passes >= 2:
            return ""
        return f"two passes of evaluation after step {WARM_UP_STEPS} are needed, and {self._passes} were saved"

    def _judge(self, ended: Pass, patience: int) -> Iterable[Finding]:
        answers = ended.answers
        if len(answers) < LEAST_SAMPLES or ended.training_steps < WARM_UP_STEPS:
            return
        self._passes += 1
        shares = np.bincount(answers.predicted, minlength=answers.classes) / len(answers)
        favourite = int(shares.argmax())
        share, limit = float(shares[favourite]), self.parameters.threshold
        collapsed = share > limit and float(np.mean(answers.labels == favourite)) < limit - 0.2
        self._in_a_row = self._in_a_row + 1 if collapsed else 0
        if self._in_a_row < patience:
            return
        yield Finding(
            self.NAME, ended.step.step, ended.step.mode, ended.step.mode_step, f"{answers.loss}_input_0", share, limit,
            f"class {favourite} is the answer to {100 * share:.3g} % of the validation images, "
            f"and {100 * answers.right:.3g} % of the answers are right",
            CAUSE, REMEDY,
        )  # fmt: skip


CAUSE = (
    "the last layer sees the same features for every image (dead units, weights pulled to zero, a rate that was too "
    "high), or one class is nearly all that was trained on"
)
REMEDY = Remedy(
    "lower the learning rate to a tenth and look at the class counts of the training images",
    (Change(Knob.LEARNING_RATE, 0.1), Change(Knob.CLASS_WEIGHTS, value="balanced")),
)
