"""The rule ClassImbalance."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, final

from tintype.debugger.collection import Collection
from tintype.rules.answers import LOSS_INPUTS, Answers
from tintype.rules.class_counts import ClassCounts, labels_at, predictions_at
from tintype.rules.finding import Change, Finding, Knob, Remedy
from tintype.rules.parameters import Parameters, parameter
from tintype.rules.rule import Profile, Rule
from tintype.rules.step_view import StepView

if TYPE_CHECKING:
    from tintype.debugger.tensor_log import TensorLog

GROWTH = 1.5                            # looks are this factor of labels apart
LEAST = 100                             # labels of a training that is over


@final
@dataclass(frozen=True)
class ClassImbalanceParameters(Parameters):
    """What ClassImbalance can be told."""

    threshold_imbalance: float = parameter(10.0, "largest class count divided by the smallest", low=1)
    threshold_misprediction: float = parameter(0.7, "share of a class that is mispredicted", low=0, high=1)
    samples: int = parameter(500, "labels to see before anything is judged", low=1)
    argmax: bool = parameter(False, "predictions are scores of classes; found out by itself where they are wider")
    labels_regex: tuple[str, ...] = parameter((".*labels",), "expressions that find labels by name")
    predictions_regex: tuple[str, ...] = parameter((".*predictions",), "expressions that find predictions by name")


@final
@dataclass
class ClassImbalance(Rule[ClassImbalanceParameters]):
    """Some class is far rarer in the training images than another, so that the network learns to pass it over.

    Fires, once for each class, when after `samples` labels of training (or at the end of a shorter one, of at least
    100) the largest class has more than `threshold_imbalance` times as many as the smallest, by two standard errors of
    both counts, so that 133 classes of four images each are no imbalance. A class that the network has an output for
    and that never comes counts as none.

    **Needs** the labels of the loss (its second input), or what `labels_regex` finds. Cost: the inputs of the loss.

    **Differs from SageMaker's**, whose defaults find no labels in PyTorch; which does not know of classes that never
    come; and which also fires when more than `threshold_misprediction` of a class is mispredicted, counted from the
    first step: an untrained network mispredicts every class. Here mispredictions are told in the message of a rare
    class, and ClassCollapse, DeadClass and Confusion judge them. The profile `sagemaker` does as theirs does, once
    `samples` labels were seen, of any mode.
    """

    NAME: ClassVar[str] = "ClassImbalance"
    PARAMETERS: ClassVar[type[Parameters]] = ClassImbalanceParameters
    ATTACHES: ClassVar[tuple[Collection, ...]] = (LOSS_INPUTS,)

    parameters: ClassImbalanceParameters = field(default_factory=ClassImbalanceParameters)
    profile: Profile = Profile.RIGHT
    _counts: ClassCounts = field(default_factory=ClassCounts)
    _looked_at: int = 0
    _told: set[int] = field(default_factory=set)
    _last: StepView | None = None       # with labels

    def check(self, log: TensorLog, step: StepView) -> Iterable[Finding]:
        given = self.parameters
        literal = self.profile is Profile.SAGEMAKER
        if not literal and not step.is_training:
            return ()
        labels = labels_at(step, given.labels_regex)
        if labels is not None:
            self._counts.add(labels, predictions_at(step, given.predictions_regex, given.argmax, len(labels)))
        elif not literal and (answers := Answers.at(step)) is not None:
            self._counts.add(answers.labels, answers.predicted, classes=answers.classes)
        else:
            return ()
        self._last = step
        due = self._counts.seen >= max(given.samples, GROWTH * self._looked_at)
        if literal:
            return list(self._literal(step)) if self._counts.seen >= given.samples else ()
        if not due:
            return ()
        self._looked_at = self._counts.seen
        return list(self._rare(step))

    def conclude(self, log: TensorLog) -> Iterable[Finding]:
        if self.profile is Profile.SAGEMAKER or self._last is None or self._counts.seen < LEAST:
            return ()
        self._looked_at = self._counts.seen
        return list(self._rare(self._last))

    def _rare(self, step: StepView) -> Iterator[Finding]:
        labels = self._counts.labels
        most = max(labels, key=labels.__getitem__)
        for one in range(max(self._counts.classes, max(labels) + 1)):
            if one in self._told or not self._counts.known(one):
                continue
            ratio = _surely(labels[most], labels[one])
            if ratio > self.parameters.threshold_imbalance:
                self._told.add(one)
                yield self._finding(step, one, most, labels[most] / max(labels[one], 1))

    def _literal(self, step: StepView) -> Iterator[Finding]:
        labels, given = self._counts.labels, self.parameters
        most, least = max(labels, key=labels.__getitem__), min(labels, key=labels.__getitem__)
        if labels[most] / labels[least] > given.threshold_imbalance:
            yield self._finding(step, least, most, labels[most] / labels[least])
        for one, wrong in self._counts.mispredicted().items():
            if wrong > given.threshold_misprediction:
                yield Finding(
                    self.NAME, step.step, step.mode, step.mode_step, "", wrong, given.threshold_misprediction,
                    f"{100 * wrong:.3g} % of class {one} are mispredicted",
                )  # fmt: skip

    def missing(self) -> str:
        if self._looked_at or self._counts.seen >= self.parameters.samples:
            return ""
        return f"{self.parameters.samples} labels of training are needed, and {self._counts.seen} were saved"

    def _finding(self, step: StepView, rare: int, most: int, ratio: float) -> Finding:
        counts = self._counts.labels
        message = f"class {rare} has {counts[rare]} of {self._counts.seen} labels, and class {most} has {counts[most]}"
        if (wrong := self._counts.mispredicted().get(rare)) is not None:
            message += f"; {100 * wrong:.3g} % of class {rare} were mispredicted so far"
        return Finding(
            self.NAME, step.step, step.mode, step.mode_step, "", ratio, self.parameters.threshold_imbalance,
            message, CAUSE, REMEDY,
        )  # fmt: skip


def _surely(most: int, least: int) -> float:
    """The ratio that is left when both counts are off by two standard errors; of no count at all by three labels."""
    return max(0.0, most - 2 * math.sqrt(most)) / (least + 2 * math.sqrt(least) + 3)


CAUSE = "the folder of that class has few images, or a sampler or a split leaves them out"
REMEDY = Remedy(
    "gather images of it, draw its images more often, or weigh its loss more",
    (Change(Knob.CLASS_WEIGHTS, value="weights"),),
)
