"""The rule Confusion."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, final

import numpy as np

from tintype.debugger.collection import Collection
from tintype.debugger.modes import Mode
from tintype.rules.answers import LOSS_INPUTS, Answers
from tintype.rules.class_counts import ClassCounts, labels_at, predictions_at
from tintype.rules.finding import Finding, Remedy
from tintype.rules.parameters import Parameters, parameter
from tintype.rules.rule import Profile, Rule
from tintype.rules.step_view import Array, StepView

if TYPE_CHECKING:
    from tintype.debugger.tensor_log import TensorLog

MOSTLY = 0.5                            # share of a class taken for one other, from which something is wrong
LEAST = 20                              # images of a class
OUTSTANDING = 3.0                       # times the share of any other pair


@final
@dataclass(frozen=True)
class ConfusionParameters(Parameters):
    """What Confusion can be told."""

    category_no: int | None = parameter(None, "number of classes; none: found out", low=1)
    labels: str = parameter("labels", "name of the tensor with labels, when labels_collection has none")
    predictions: str = parameter("predictions", "name of the tensor with predictions")
    labels_collection: str = parameter("labels", "collection of labels")
    predictions_collection: str = parameter("predictions", "collection of predictions")
    min_diag: float = parameter(0.9, "least share of a class that is predicted as itself", low=0, high=1)
    max_off_diag: float = parameter(0.1, "largest share of a class that is predicted as one other", low=0, high=1)


@final
@dataclass
class Confusion(Rule[ConfusionParameters]):
    """A class is taken for one other class, far more often than errors at large would have it.

    Fires, when the training has ended, for each pair of classes in the newest whole pass of evaluation with at least 20
    images of the first, of which less than `min_diag` are predicted as themselves and more than `max_off_diag` as the
    second. Besides, either

    - more than half are predicted as the second, for certain (two standard errors), fewer as themselves, and no third
      class mostly as the second as well (which is a network that has collapsed), while most of the newest training
      images of the class are answered right (otherwise the network has not learned it yet),
    - or most classes reach `min_diag`, more than three times `max_off_diag` are taken for the second for certain, and
      the pair stands out: the share is three times that of any other pair.

    Labels of two classes were swapped, training and validation number their classes differently, or nothing in the
    images tells the two apart.

    **Needs** the inputs of the loss (scores and labels) in training and evaluation, or tensors of predictions and
    labels.

    **Differs from SageMaker's**, which adds up all predictions from the first step on, those of the untrained network
    too, and takes every class below 90 % for a fault, which a network of 90 % accuracy has several of. The profile
    `sagemaker` does so: it fires at the step at which, of all predictions so far, some class is predicted as itself by
    less than `min_diag` of its labels, or makes up more than `max_off_diag` of the predictions of another class.
    """

    NAME: ClassVar[str] = "Confusion"
    PARAMETERS: ClassVar[type[Parameters]] = ConfusionParameters
    ATTACHES: ClassVar[tuple[Collection, ...]] = (LOSS_INPUTS,)

    parameters: ConfusionParameters = field(default_factory=ConfusionParameters)
    profile: Profile = Profile.RIGHT
    _counts: ClassCounts = field(default_factory=ClassCounts)           # of all steps, or of the pass that goes on
    _last: ClassCounts = field(default_factory=ClassCounts)             # of the pass before
    _trained: ClassCounts = field(default_factory=ClassCounts)          # of training since the pass before
    _others: int = -1                                                   # steps of other modes before the pass
    _step: StepView | None = None

    def check(self, log: TensorLog, step: StepView) -> Iterable[Finding]:
        if self.profile is Profile.SAGEMAKER:
            return list(self._literal(step)) if self._add(step, self._counts) else ()
        if step.is_training:
            if self._step is not None and self._step.mode is Mode.EVAL:
                self._trained = ClassCounts()
            if self._add(step, self._trained):
                self._step = step
        elif step.mode is Mode.EVAL:
            others = step.step - step.mode_step
            if others != self._others:
                self._last, self._counts, self._others = self._counts, ClassCounts(), others
            if self._add(step, self._counts):
                self._step = step
        return ()

    def conclude(self, log: TensorLog) -> Iterable[Finding]:
        if self._step is None or self.profile is Profile.SAGEMAKER or not self._counts.pairs:
            return ()
        # A last pass that was cut short has fewer images than the one before it.
        whole = self._counts if self._counts.seen >= self._last.seen else self._last
        return list(self._taken(self._step, whole))

    def _add(self, step: StepView, counts: ClassCounts) -> bool:
        given = self.parameters
        names = (*step.names(collection=given.labels_collection), given.labels)
        labels = labels_at(step, [_exactly(name) for name in names])
        if labels is not None:
            found = (*step.names(collection=given.predictions_collection), given.predictions)
            predictions = predictions_at(step, [_exactly(name) for name in found], False, len(labels))
            if predictions is not None:
                counts.add(labels, predictions, given.category_no or 0)
                return True
        answers = Answers.at(step)
        if answers is None or self.profile is Profile.SAGEMAKER:
            return False
        counts.add(answers.labels, answers.predicted, answers.classes)
        return True

    def _taken(self, step: StepView, counts: ClassCounts) -> Iterator[Finding]:
        matrix, given = _matrix(counts), self.parameters
        for label, row in enumerate(matrix):
            total = int(row.sum())
            other = int(np.argmax(np.where(np.arange(len(row)) == label, -1, row)))
            if total < LEAST or other == label:
                continue
            share, itself = row[other] / total, row[label] / total
            surely = share - 2 * math.sqrt(share * (1 - share) / total)
            mostly = surely > MOSTLY and itself < share and np.sum(matrix.argmax(axis=1) == other) <= 2
            mostly = mostly and self._trained.mispredicted().get(label, 1.0) < MOSTLY
            alone = surely > 3 * given.max_off_diag and _stands_out(matrix, label, other, given.min_diag)
            if (mostly or alone) and share > given.max_off_diag and itself < given.min_diag:
                yield self._finding(step, label, other, share, given.max_off_diag)

    def _literal(self, step: StepView) -> Iterator[Finding]:
        matrix, given = _matrix(self._counts), self.parameters
        with np.errstate(invalid="ignore", divide="ignore"):
            recall = np.diag(matrix) / matrix.sum(axis=1)
            columns = matrix / matrix.sum(axis=0, keepdims=True)
        for label, share in enumerate(recall):
            if share < given.min_diag:
                message = f"{100 * share:.3g} % of class {label} are predicted as itself"
                yield Finding(self.NAME, step.step, step.mode, step.mode_step, "", share, given.min_diag, message)
        for label, other in zip(*np.nonzero(columns > given.max_off_diag), strict=True):
            if label != other:
                yield self._finding(step, int(label), int(other), float(columns[label, other]), given.max_off_diag)

    def missing(self) -> str:
        if self._counts.pairs or self._last.pairs:
            return ""
        return "no labels with predictions were saved: the inputs of the loss in the mode EVAL are needed"

    def _finding(self, step: StepView, label: int, other: int, share: float, limit: float) -> Finding:
        return Finding(
            self.NAME, step.step, step.mode, step.mode_step, "", share, limit,
            f"class {label} is taken for class {other}: {100 * share:.3g} %", CAUSE, REMEDY,
        )  # fmt: skip


def _stands_out(matrix: Array, label: int, other: int, min_diag: float) -> bool:
    """Most classes are predicted well, and no other pair is confused a third as often as this one."""
    total = matrix.sum(axis=1)
    known = total >= LEAST
    shares = matrix / np.maximum(total, 1)[:, None]
    well = np.median(np.diag(shares)[known]) >= min_diag
    share = shares[label, other]
    np.fill_diagonal(shares, 0)
    shares[label, other] = shares[other, label] = 0
    return bool(well and known.sum() > 2 and share > OUTSTANDING * shares[known].max())


def _matrix(counts: ClassCounts) -> Array:
    """counts[label, prediction], int64."""
    size = max(counts.classes, 1 + max((max(pair) for pair in counts.pairs), default=0))
    matrix = np.zeros((size, size), np.int64)
    for (label, prediction), count in counts.pairs.items():
        matrix[label, prediction] += count
    return matrix


def _exactly(name: str) -> str:
    return f"^{re.escape(name)}$"


CAUSE = "labels of the two were swapped, splits number their classes differently, or nothing tells the two apart"
REMEDY = Remedy("look at images of both classes with their labels; check that all splits list the classes in one order")
