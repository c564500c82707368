"""The rule DeadClass."""

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

COMPETENT = 0.6                         # accuracy over the other classes; until then a class may yet be learned
WARM_UP_STEPS = 30                      # until then the running figures of batch norms still know their start


@final
@dataclass(frozen=True)
class DeadClassParameters(Parameters):
    """What DeadClass can be told."""

    least_labels: int = parameter(10, "validation images that a class must have to be judged", low=1)
    patience: int = parameter(3, "passes of evaluation in a row; at the end of the training two are enough", low=1)


@final
@dataclass
class DeadClass(Rule[DeadClassParameters]):
    """A class that is among the labels is never among the answers.

    The class is missing from the training images or nearly so, its folder is spelt differently in the two splits, or
    the network has been trained for too short a time to tell it from a more frequent one.

    Fires once per class when in `patience` passes over the validation images in a row none of its images, of which
    there are at least `least_labels`, nor any other image was answered with it, while at most a third of the classes
    are so and the accuracy over the others is at least 60 % (before that a class may yet be learned). The first 30
    steps do not count.

    **Needs** the inputs of the loss in evaluation, two passes. SageMaker has no such rule; its Confusion asks for
    collections that a script has to fill.
    """

    NAME: ClassVar[str] = "DeadClass"
    PARAMETERS: ClassVar[type[Parameters]] = DeadClassParameters
    ATTACHES: ClassVar[tuple[Collection, ...]] = (LOSS_INPUTS,)

    parameters: DeadClassParameters = field(default_factory=DeadClassParameters)
    profile: Profile = Profile.RIGHT
    _history: AnswerHistory = field(default_factory=AnswerHistory)
    _silent: dict[int, int] = field(default_factory=dict)       # class → passes in a row without it
    _said: set[int] = field(default_factory=set)
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
        if ended.training_steps < WARM_UP_STEPS:
            return
        self._passes += 1
        answered = np.bincount(answers.predicted, minlength=answers.classes)
        labelled = np.bincount(answers.labels, minlength=answers.classes)
        silent = (labelled >= self.parameters.least_labels) & (answered == 0)
        self._silent = {int(one): self._silent.get(int(one), 0) + 1 for one in np.flatnonzero(silent)}
        others = ~silent[answers.labels]
        if silent.sum() > max(1, answers.classes / 3) or not others.any():
            return
        if np.mean((answers.predicted == answers.labels)[others]) < COMPETENT:
            return
        for one, passes in self._silent.items():
            if passes >= patience and one not in self._said:
                self._said.add(one)
                yield Finding(
                    self.NAME, ended.step.step, ended.step.mode, ended.step.mode_step, f"{answers.loss}_input_0",
                    0.0, 1.0,
                    f"no image is answered with class {one}, which is the label of {labelled[one]} validation images",
                    _cause(ended, one), REMEDY,
                )  # fmt: skip


def _cause(ended: Pass, one: int) -> str:
    if ended.trained is None:
        return "the class has no training images, too few of them, or another number in the two splits"
    count, total = int(np.sum(ended.trained.labels == one)), len(ended.trained)
    return f"of the newest {total} training images {count} are of class {one}; in validation its share is larger"


REMEDY = Remedy(
    "compare the class folders of the two splits, add images of the class, or weight it up",
    (Change(Knob.CLASS_WEIGHTS, value="balanced"),),
)
