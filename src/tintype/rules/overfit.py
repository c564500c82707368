"""The rule Overfit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, final

import numpy as np

from tintype.debugger.collection import Collection
from tintype.debugger.modes import Mode
from tintype.rules.attached import LOSSES
from tintype.rules.finding import Change, Finding, Knob, Remedy
from tintype.rules.generalisation import Checkpoint, checkpoints, clearly_above, start_of
from tintype.rules.loss_history import LossHistory, loss_names
from tintype.rules.parameters import Parameters, parameter
from tintype.rules.rule import Profile, Rule
from tintype.rules.step_view import StepView

if TYPE_CHECKING:
    from tintype.debugger.tensor_log import TensorLog

PASSES = 3                              # passes in a row that must agree, or all there are when those are two
SHARE = 0.4                             # of what training has gained, validation gains at least this much
STILL = 5                               # passes that validation has stood still
GAINED = 0.2                            # ... while training lost this share of its first loss
LEARNED = 0.35                          # of its first loss is left when training has learned its images


@final
@dataclass(frozen=True)
class OverfitParameters(Parameters):
    """What Overfit can be told."""

    tensor_regex: tuple[str, ...] = parameter((), "expressions that find losses; the collection losses when empty")
    start_step: int = parameter(0, "global step before which nothing is judged", low=0)
    patience: int = parameter(1, "judgements in a row that must agree", low=1)
    ratio_threshold: float = parameter(
        0.1, "share by which the loss of validation may be above that of training, or above its own best", low=0
    )


@final
@dataclass
class Overfit(Rule[OverfitParameters]):
    """The network learns its training images by heart: validation gets worse while training gets better.

    Judged after each pass of evaluation. Fires when for `patience` passes in a row the mean loss of validation is above
    that of training by more than `ratio_threshold` of it, and, over the newest three passes,

    - validation is above its best pass by more than `ratio_threshold` and by more than chance, while training has
      fallen since then,
    - training has lost 65 % of its first loss, and validation less than 40 % of what training has lost,
    - or validation has stood still for five passes (within half of `ratio_threshold`), in which training lost 20 % of
      its first loss: it learns what does not carry over.

    **Needs** losses of the modes TRAIN and EVAL, of at least two passes of evaluation.

    **Differs from SageMaker's**, where the gap alone is the fault. A network that is right nearly always has a loss of
    validation of twice its loss of training, and both still fall; this is learning, not overfitting. It also compares
    single batches, and at an interval of 500 steps has no data in short jobs without saying so. The profile `sagemaker`
    fires when the gap is above `ratio_threshold` at `patience` losses of evaluation in a row after `start_step`.
    """

    NAME: ClassVar[str] = "Overfit"
    PARAMETERS: ClassVar[type[Parameters]] = OverfitParameters
    ATTACHES: ClassVar[tuple[Collection, ...]] = (LOSSES,)

    parameters: OverfitParameters = field(default_factory=OverfitParameters)
    profile: Profile = Profile.RIGHT
    _history: LossHistory = field(default_factory=LossHistory)
    _seen: Counter[str] = field(default_factory=Counter)        # passes of each loss that are over
    _judged: Counter[str] = field(default_factory=Counter)      # ... and those with training to compare them with
    _in_a_row: Counter[str] = field(default_factory=Counter)
    _training: float | None = None                              # newest mean loss of training; used by `sagemaker`
    _compared: bool = False

    def check(self, log: TensorLog, step: StepView) -> Iterable[Finding]:
        names = loss_names(step, self.parameters.tensor_regex, (), not self.parameters.tensor_regex)
        if self.profile is Profile.SAGEMAKER:
            return list(self._compare(step, names))
        self._history.add(step, names)
        return list(self._new_passes()) if step.mode is not Mode.EVAL else ()

    def conclude(self, log: TensorLog) -> Iterable[Finding]:
        return () if self.profile is Profile.SAGEMAKER else list(self._new_passes())

    def _new_passes(self) -> Iterator[Finding]:
        for name, passes in self._history.evaluation.items():
            if len(passes) == self._seen[name]:
                continue
            self._seen[name] = len(passes)
            points = checkpoints(self._history, name)
            for count in range(self._judged[name] + 1, len(points) + 1):
                yield from self._judge(name, points[:count])
            self._judged[name] = len(points)

    def _judge(self, name: str, points: list[Checkpoint]) -> Iterator[Finding]:
        newest, given = points[-1], self.parameters
        if len(points) < 2 or newest.passed.first_step < given.start_step:
            return
        self._compared = True
        apart = newest.gap > given.ratio_threshold
        why = (self._worse(points) or self._behind(name, points) or self._still(name, points)) if apart else ""
        self._in_a_row[name] = self._in_a_row[name] + 1 if why else 0
        if self._in_a_row[name] >= given.patience:
            yield self._finding(name, newest, why)

    def _worse(self, points: list[Checkpoint]) -> str:
        best = min(points, key=lambda one: one.validation)
        newest = points[-PASSES:]
        if len(newest) < PASSES or any(one is best for one in newest) or newest[-1].training >= best.training:
            return ""
        limit = best.validation + self.parameters.ratio_threshold * abs(best.validation)
        worse = all(one.validation > limit and clearly_above(one.passed, best.passed) for one in newest)
        return f"it was {best.validation:.4g} at step {best.passed.last_step}" if worse else ""

    def _behind(self, name: str, points: list[Checkpoint]) -> str:
        start = start_of(self._history, name)
        newest = points[-PASSES:]
        behind = all(
            one.training < LEARNED * start and start - one.validation < SHARE * (start - one.training) for one in newest
        )
        return f"training began at {start:.4g}" if behind else ""

    def _still(self, name: str, points: list[Checkpoint]) -> str:
        if len(points) < PASSES + STILL or any(one.gap <= self.parameters.ratio_threshold for one in points[-PASSES:]):
            return ""
        validation = _smooth([one.validation for one in points])
        training = _smooth([one.training for one in points])
        limit = validation[-1] + self.parameters.ratio_threshold / 2 * abs(validation[-1])
        since = next(place for place, level in enumerate(validation) if level <= limit)
        gained = training[since] - training[-1]
        if len(validation) - 1 - since < STILL or gained < GAINED * start_of(self._history, name):
            return ""
        place = points[since + PASSES - 1].passed.last_step
        return f"since step {place} training has lost {gained:.3g}, and validation nothing"

    def _compare(self, step: StepView, names: Iterable[str]) -> Iterator[Finding]:
        losses = [loss for name in names if (loss := step.number(name, "mean")) is not None]
        if not losses:
            return
        mean = float(np.mean(losses))
        if step.is_training:
            self._training = mean
        elif step.mode is Mode.EVAL and self._training is not None and step.step >= self.parameters.start_step:
            self._compared = True
            ratio = (mean - self._training) / self._training if self._training else np.inf
            self._in_a_row[""] = self._in_a_row[""] + 1 if ratio > self.parameters.ratio_threshold else 0
            if self._in_a_row[""] >= self.parameters.patience:
                yield Finding(
                    self.NAME, step.step, step.mode, step.mode_step, "", ratio, self.parameters.ratio_threshold,
                    f"the loss of validation, {mean:.4g}, is {ratio:.3g} above that of training, {self._training:.4g}",
                )  # fmt: skip

    def missing(self) -> str:
        if self._compared:
            return ""
        passes = max(map(len, self._history.evaluation.values()), default=0)
        trained = max((len(one.values) for one in self._history.training.values()), default=0)
        needed = "losses of training and of two passes of evaluation (modes TRAIN and EVAL) are needed"
        return f"{needed}; {trained} losses of training and {passes} passes were saved"

    def _finding(self, name: str, point: Checkpoint, why: str) -> Finding:
        last = point.passed
        return Finding(
            self.NAME, last.last_step, Mode.EVAL, last.last_mode_step, name, point.gap, self.parameters.ratio_threshold,
            f"the loss of validation is {point.validation:.4g}, that of training {point.training:.4g}; {why}",
            CAUSE, REMEDY,
        )  # fmt: skip


def _smooth(levels: list[float]) -> list[float]:
    """Means of each three neighbours."""
    return [float(np.mean(levels[place : place + PASSES])) for place in range(len(levels) - PASSES + 1)]


CAUSE = "the network is large for so few images, or sees them too often and too much alike"
REMEDY = Remedy(
    "stop earlier, augment more, use dropout and weight decay, freeze more of a pretrained backbone, or gather images",
    (
        Change(Knob.EPOCHS, 0.5),
        Change(Knob.WEIGHT_DECAY, 10.0),
        Change(Knob.DROP_RATE, value="0.3"),
        Change(Knob.PATIENCE, value="3"),
    ),
)
