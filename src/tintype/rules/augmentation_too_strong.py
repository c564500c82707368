"""The rule AugmentationTooStrong."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, final

from tintype.debugger.collection import Collection
from tintype.rules.answer_history import AnswerHistory, Pass
from tintype.rules.answers import LOSS_INPUTS, newest
from tintype.rules.finding import Change, Finding, Knob, Remedy
from tintype.rules.parameters import Parameters, parameter
from tintype.rules.rule import Profile, Rule
from tintype.rules.step_view import StepView

if TYPE_CHECKING:
    from tintype.debugger.tensor_log import TensorLog

LEAST_SAMPLES = 100
HALFWAY = 0.5                           # of the way from guessing to being right always


@final
@dataclass(frozen=True)
class AugmentationTooStrongParameters(Parameters):
    """What AugmentationTooStrong can be told."""

    threshold: float = parameter(0.1, "accuracy that validation may be ahead of training", low=0, high=1)
    patience: int = parameter(3, "passes of evaluation in a row", low=1)


@final
@dataclass
class AugmentationTooStrong(Rule[AugmentationTooStrongParameters]):
    """Training is harder than what is asked for later: its accuracy stays far below that of validation.

    Augmentation and dropout make training harder on purpose, and so some lead of validation is healthy. When it stays
    large though training has all but stopped to improve, images are destroyed (crops of a few pixels, noise over the
    subject, erasing of most of it), or hardly a feature survives the dropout. Wrong labels in training alone look the
    same, and LabelNoise tells them apart.

    Fires when at `patience` passes over the validation images in a row their accuracy is ahead of that of the newest
    256 training images (of those since the pass before) by more than `threshold`, by more than two standard errors, and
    by more than training gained since the pass before (in the beginning training lags behind because it improves while
    it is measured), while training is not even halfway from guessing to being right always (beyond that, a lead is what
    dropout is for).

    Labels that are mixed (mixup, CutMix) have no accuracy, and are not judged.

    **Needs** the inputs of the loss in training and evaluation, four passes of at least 100 images.
    SageMaker has no such rule.
    """

    NAME: ClassVar[str] = "AugmentationTooStrong"
    PARAMETERS: ClassVar[type[Parameters]] = AugmentationTooStrongParameters
    ATTACHES: ClassVar[tuple[Collection, ...]] = (LOSS_INPUTS,)

    parameters: AugmentationTooStrongParameters = field(default_factory=AugmentationTooStrongParameters)
    profile: Profile = Profile.RIGHT
    _history: AnswerHistory = field(default_factory=AnswerHistory)
    _in_a_row: int = 0
    _passes: int = 0
    _before: float | None = None        # accuracy of training at the pass before

    def check(self, log: TensorLog, step: StepView) -> Iterable[Finding]:
        ended = self._history.add(step)
        return self._judge(ended) if ended else ()

    def conclude(self, log: TensorLog) -> Iterable[Finding]:
        ended = self._history.close()
        return self._judge(ended) if ended else ()

    def missing(self) -> str:
        if self._passes > self.parameters.patience:
            return ""
        return f"{self.parameters.patience + 1} passes of evaluation are needed, and {self._passes} were saved"

    def _judge(self, ended: Pass) -> Iterable[Finding]:
        answers = ended.answers
        if ended.trained is None or ended.trained.soft or min(ended.fresh, len(answers)) < LEAST_SAMPLES:
            return
        trained = newest(ended.trained, ended.fresh)
        self._passes += 1
        before, self._before = self._before, trained.right
        lead = answers.right - trained.right
        variance = 0.25 / len(answers) + 0.25 / len(trained)
        large = lead > max(self.parameters.threshold, 2 * variance**0.5) and trained.skill < HALFWAY
        self._in_a_row = self._in_a_row + 1 if large and before is not None and lead > trained.right - before else 0
        if self._in_a_row < self.parameters.patience:
            return
        yield Finding(
            self.NAME, ended.step.step, ended.step.mode, ended.step.mode_step, f"{answers.loss}_output_0",
            lead, self.parameters.threshold,
            f"{100 * answers.right:.3g} % of the validation images are answered right, "
            f"but only {100 * trained.right:.3g} % of the training images",
            CAUSE, REMEDY,
        )  # fmt: skip


CAUSE = (
    "augmentation or dropout takes away what the classes differ in; or labels of the training images are wrong, "
    "which LabelNoise would say too"
)
REMEDY = Remedy(
    "look at some augmented images and weaken what makes them hard to recognise; lower the dropout",
    (Change(Knob.AUGMENTATION, value="light"), Change(Knob.DROP_RATE, 0.5)),
)
