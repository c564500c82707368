"""The rule LabelNoise."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, final

import numpy as np

from tintype.debugger.collection import Collection
from tintype.rules.answer_history import AnswerHistory, Pass
from tintype.rules.answers import LOSS_INPUTS, Answers
from tintype.rules.confident_errors import LEAST_SAMPLES, ConfidentErrors
from tintype.rules.finding import Change, Finding, Knob, Remedy
from tintype.rules.parameters import Parameters, parameter
from tintype.rules.rule import Profile, Rule
from tintype.rules.step_view import StepView

if TYPE_CHECKING:
    from tintype.debugger.tensor_log import TensorLog

WINDOW = 1000                           # training samples that are judged together
HOP = WINDOW // 4                       # new ones between two looks
PATIENCE = 3                            # looks in a row
SUSPECTS = 20
PROVEN = 0.15                           # lead of a network in validation, when training labels cannot show one
BEGUN = 60                              # steps after which something of the training must carry over to validation


@final
@dataclass(frozen=True)
class LabelNoiseParameters(Parameters):
    """What LabelNoise can be told."""

    threshold: float = parameter(0.05, "share of wrong labels that may be", low=0, high=1)


@final
@dataclass
class LabelNoise(Rule[LabelNoiseParameters]):
    """Labels of training images are wrong.

    A network that has not yet learned images by heart contradicts wrong labels, and is sure of it. On clean data the
    images of which it is most sure are nearly all answered right, and where it errs its second guess is the label. With
    wrong labels it errs as often among those of which it is most sure, and the label is any class at all.

    Fires, judging the newest 1,000 training images at a time as they were answered before the step that learned them,
    when at three looks in a row the fifth of which the network is most sure contains more than `threshold` of errors
    (lower 95 % bound), about as many as the rest of the surer half, and

    - those labels are spread over the classes as chance would (from three classes on),
    - or the same fifth of the validation images contains far fewer errors (validation is clean), and those labels are
      not mostly the second guess (which is what a network does that training has made unsure).

    A window in which the accuracy still rises is not judged: its older answers are worse for that reason alone. Where
    most labels are wrong, so that training cannot show what the network has learned, validation may: the network is as
    sure of the training images as of those, which it is not where augmentation or dropout hides what they show.

    Fires too when after 60 steps, in three passes in a row or the last of all, training images are learned, yet
    validation is answered no better than by always naming its most frequent class, with varied answers: the labels are
    shuffled, or counted differently in the splits.

    The finding lists identifiers of the images whose label the network believes least, where the log has them.

    **Needs** the inputs of the loss at most steps of training, 1,000 images at least. Losses with soft labels (mixup)
    are not judged. SageMaker has no such rule.

    Source: Northcutt, Jiang and Chuang, "Confident learning: estimating uncertainty in dataset labels", JAIR 2021;
    Arpit et al., "A closer look at memorization in deep networks", ICML 2017 (patterns are learned before noise).
    """

    NAME: ClassVar[str] = "LabelNoise"
    PARAMETERS: ClassVar[type[Parameters]] = LabelNoiseParameters
    ATTACHES: ClassVar[tuple[Collection, ...]] = (LOSS_INPUTS,)

    parameters: LabelNoiseParameters = field(default_factory=LabelNoiseParameters)
    profile: Profile = Profile.RIGHT
    _history: AnswerHistory = field(default_factory=lambda: AnswerHistory(window=WINDOW))
    _valid: ConfidentErrors | None = None
    _since: int = 0                     # training samples since the last look
    _in_a_row: int = 0
    _looks: int = 0
    _unlearned: int = 0                 # passes in a row that were no better than chance

    def check(self, log: TensorLog, step: StepView) -> Iterable[Finding]:
        before = self._history.seen
        ended = self._history.add(step)
        self._since += self._history.seen - before
        found = list(self._judge_pass(ended, PATIENCE)) if ended else []
        if step.is_training and self._since >= HOP:
            self._since = 0
            found += self._look(step)
        return found

    def conclude(self, log: TensorLog) -> Iterable[Finding]:
        ended = self._history.close()
        return self._judge_pass(ended, patience=1) if ended else ()

    def missing(self) -> str:
        if self._looks:
            return ""
        return f"the inputs of the loss of {WINDOW} training images are needed, and {self._history.seen} were saved"

    def _look(self, step: StepView) -> Iterator[Finding]:
        answers = self._history.trained()
        if answers is None or answers.soft or len(answers) < WINDOW * 0.9:
            return
        self._looks += 1
        errors = ConfidentErrors.of(answers)
        noisy = errors.at_least > self.parameters.threshold and errors.is_level
        valid = self._valid
        proven = valid is not None and valid.lead > PROVEN and errors.exceed(valid) and errors.is_as_sure_as(valid)
        # Of two classes nobody knows whether a label is random, but with a fifth of them wrong few can be right.
        random = errors.labels_are_random or answers.classes == 2
        noisy = noisy and (errors.is_competent or (proven and random)) and errors.is_settled
        noisy = noisy and (errors.labels_are_random or (errors.labels_are_spread and errors.exceed(self._valid)))
        self._in_a_row = self._in_a_row + 1 if noisy else 0
        if self._in_a_row >= PATIENCE:
            yield Finding(
                self.NAME, step.step, step.mode, step.mode_step, f"{answers.loss}_input_1", errors.share,
                self.parameters.threshold,
                f"about {100 * errors.share:.2g} % of the newest {len(answers)} training labels seem wrong",
                f"the network is most sure of {errors.surest} of them, and the labels of {errors.wrong} say otherwise",
                REMEDY, _suspects(answers),
            )  # fmt: skip

    def _judge_pass(self, ended: Pass, patience: int) -> Iterator[Finding]:
        answers, trained = ended.answers, ended.trained
        if len(answers) < LEAST_SAMPLES or answers.soft:
            return
        self._valid = ConfidentErrors.of(answers)
        if trained is None or ended.training_steps < BEGUN:
            return
        learned = _above_chance(trained) > 4.0
        unlearned = learned and _above_chance(answers) < 1.5 and _is_varied(answers)
        self._unlearned = self._unlearned + 1 if unlearned else 0
        if self._unlearned >= patience:
            yield Finding(
                self.NAME, ended.step.step, ended.step.mode, ended.step.mode_step, f"{answers.loss}_input_1",
                answers.right, _most_frequent(answers),
                f"{100 * trained.right:.3g} % of the training images are answered right, but only "
                f"{100 * answers.right:.3g} % of the validation images, which is no better than guessing",
                "labels of training do not belong to their images, so that they can only be learned by heart; "
                "or classes are numbered differently in the two splits",
                REMEDY,
            )  # fmt: skip


def _most_frequent(answers: Answers) -> float:
    return float(np.bincount(answers.labels).max() / len(answers))


def _above_chance(answers: Answers) -> float:
    """By how many standard errors the accuracy is above the share of the most frequent class."""
    chance = _most_frequent(answers)
    return (answers.right - chance) / math.sqrt(max(chance * (1 - chance), 1e-9) / len(answers))


def _is_varied(answers: Answers) -> bool:
    return float(np.bincount(answers.predicted).max() / len(answers)) < 0.9


def _suspects(answers: Answers) -> tuple[str, ...]:
    worst = np.argsort(-answers.losses)[:SUSPECTS]
    return tuple(answers.samples[one] for one in worst) if answers.samples else ()


REMEDY = Remedy(
    "look at the images that the network contradicts and correct their labels; until then train for fewer epochs, "
    "before the wrong ones are learned by heart",
    (Change(Knob.EPOCHS, 0.5),),
)
