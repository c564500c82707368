"""The rule Overtraining."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, final

from tintype.debugger.collection import Collection
from tintype.debugger.modes import Mode
from tintype.rules.attached import LOSSES
from tintype.rules.finding import Change, Finding, Knob, Remedy
from tintype.rules.generalisation import Checkpoint, checkpoints
from tintype.rules.loss_history import LossHistory, loss_at, loss_names
from tintype.rules.parameters import Parameters, parameter
from tintype.rules.rule import Profile, Rule
from tintype.rules.step_view import StepView

if TYPE_CHECKING:
    from tintype.debugger.tensor_log import TensorLog

WASTED = 1 / 3                          # share of the training that brought nothing, from which it was too long


@final
@dataclass(frozen=True)
class OvertrainingParameters(Parameters):
    """What Overtraining can be told."""

    patience_train: int = parameter(5, "judgements without a better loss of training", low=1)
    patience_validation: int = parameter(10, "judgements without a better loss of validation", low=1)
    delta: float = parameter(0.01, "a loss is better when it is lower by more than this", low=0)


@final
@dataclass
class Overtraining(Rule[OvertrainingParameters]):
    """The training goes on although nothing gets better any more.

    Judged after each pass of evaluation. Fires, once for each loss, when a third of the training so far or more brought
    nothing: the loss of validation has not fallen by `delta` for `patience_validation` passes, or neither it nor that
    of training (the level of each pass's steps) for `patience_train` passes. Fewer than nine passes (by
    default) are never too many.

    **Needs** losses of the modes TRAIN and EVAL, of more than `patience_train` passes of evaluation.

    **Differs from SageMaker's**, which counts steps: ten batches of one pass of validation, none better than the best
    batch of another pass, are overtraining there, so that it fires in every second training. The profile `sagemaker`
    fires when `patience_train` losses of training, or `patience_validation` of evaluation, in a row are not lower than
    the lowest before by more than `delta`.
    """

    NAME: ClassVar[str] = "Overtraining"
    PARAMETERS: ClassVar[type[Parameters]] = OvertrainingParameters
    ATTACHES: ClassVar[tuple[Collection, ...]] = (LOSSES,)

    parameters: OvertrainingParameters = field(default_factory=OvertrainingParameters)
    profile: Profile = Profile.RIGHT
    _history: LossHistory = field(default_factory=LossHistory)
    _seen: Counter[str] = field(default_factory=Counter)        # passes of each loss that are over
    _told: set[str] = field(default_factory=set)
    _lowest: dict[tuple[str, bool], float] = field(default_factory=dict)        # (loss, of training)
    _without: Counter[tuple[str, bool]] = field(default_factory=Counter)
    _compared: bool = False

    def check(self, log: TensorLog, step: StepView) -> Iterable[Finding]:
        names = loss_names(step, (), (), True)
        if self.profile is Profile.SAGEMAKER:
            return [found for name in names for found in self._count(step, name)]
        self._history.add(step, names)
        return list(self._new_passes()) if step.mode is not Mode.EVAL else ()

    def conclude(self, log: TensorLog) -> Iterable[Finding]:
        return () if self.profile is Profile.SAGEMAKER else list(self._new_passes())

    def _new_passes(self) -> Iterator[Finding]:
        for name, passes in self._history.evaluation.items():
            if name in self._told or len(passes) == self._seen[name]:
                continue
            self._seen[name] = len(passes)
            points = checkpoints(self._history, name)
            self._compared = self._compared or len(points) > self.parameters.patience_train
            if points and (waited := self._waited(points)) is not None:
                self._told.add(name)
                yield self._finding(name, points, waited)

    def _waited(self, points: list[Checkpoint]) -> tuple[int, int] | None:
        """(passes without a better loss, passes allowed) when that is too many."""
        given = self.parameters
        validation = since_better([one.validation for one in points], given.delta)
        training = since_better([one.training for one in points], given.delta)
        short = len(points) <= 2 * (given.patience_train - 1)
        if short or validation < WASTED * len(points):
            return None
        if validation >= given.patience_validation:
            return validation, given.patience_validation
        both = min(validation, training)
        return (both, given.patience_train) if both >= max(given.patience_train, WASTED * len(points)) else None

    def _count(self, step: StepView, name: str) -> Iterator[Finding]:
        loss = loss_at(step, name)
        if loss is None or step.mode not in (Mode.TRAIN, Mode.EVAL, Mode.GLOBAL):
            return
        self._compared = True
        key = (name, step.is_training)
        better = loss < self._lowest.get(key, math.inf) - self.parameters.delta
        self._lowest[key] = min(loss, self._lowest.get(key, math.inf))
        self._without[key] = 0 if better else self._without[key] + 1
        patience = self.parameters.patience_train if step.is_training else self.parameters.patience_validation
        if self._without[key] >= patience:
            yield Finding(
                self.NAME, step.step, step.mode, step.mode_step, name, float(self._without[key]), float(patience),
                f"{name} has not fallen by {self.parameters.delta:g} for {self._without[key]} saved steps",
            )  # fmt: skip

    def missing(self) -> str:
        if self._compared:
            return ""
        passes = max(self._seen.values(), default=0)
        needed = self.parameters.patience_train + 1
        return f"losses of training and of {needed} passes of evaluation are needed; {passes} passes were saved"

    def _finding(self, name: str, points: list[Checkpoint], waited: tuple[int, int]) -> Finding:
        best = points[-1 - waited[0]]
        last = points[-1].passed
        message = (
            f"{name} has not fallen by {self.parameters.delta:g} for {waited[0]} passes of evaluation; "
            f"it was {best.validation:.4g} at step {best.passed.last_step} and is {points[-1].validation:.4g}"
        )
        factor = max(0.1, (len(points) - waited[0]) / len(points))
        remedy = Remedy(
            f"stop after {len(points) - waited[0]} of {len(points)} passes, or stop early when validation stays",
            (Change(Knob.EPOCHS, factor), Change(Knob.PATIENCE, value=str(self.parameters.patience_train))),
        )
        return Finding(
            self.NAME, last.last_step, Mode.EVAL, last.last_mode_step, name, float(waited[0]), float(waited[1]),
            message, CAUSE, remedy,
        )  # fmt: skip


def since_better(values: list[float], delta: float) -> int:
    """How many of the newest values came after the last that was lower by more than `delta` than all before it."""
    lowest, place = math.inf, 0
    for at, value in enumerate(values):
        if value < lowest - delta or at == 0:
            lowest, place = value, at
    return len(values) - 1 - place


CAUSE = "the network has learned what it can with this data and learning rate"
