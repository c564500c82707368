"""The rule LossNotDecreasing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, final

from tintype.debugger.collection import Collection
from tintype.debugger.modes import Mode
from tintype.rules.attached import LOSSES
from tintype.rules.finding import Change, Finding, Knob, Remedy
from tintype.rules.loss_history import LossHistory, LossSeries, loss_names
from tintype.rules.loss_trend import Course, Trend, TrendLimits, judge_trend
from tintype.rules.parameters import Parameters, parameter
from tintype.rules.rule import Profile, Rule
from tintype.rules.step_view import StepView

if TYPE_CHECKING:
    from tintype.debugger.tensor_log import TensorLog

GROWTH = 1.15                           # looks lie this factor of losses apart, so that all of them cost O(n log n)
PLAYED = 0.2                            # of the steps, in which a loss is computed more, or less, often than in others
# Times num_steps: with fewer losses only the end of the training is judged. Plain SGD on a network without norms may
# stand at ln(classes) for the first hundred steps and then learn as well as any; a loss that rises has no such excuse.
ENOUGH = {
    Course.NOT_FINITE: 0,
    Course.RISING: 5, Course.CLIMBING: 5,
    Course.BOTTOMLESS: 20, Course.FLAT: 20, Course.STILL: 20,
}  # fmt: skip


@final
@dataclass(frozen=True)
class LossNotDecreasingParameters(Parameters):
    """What LossNotDecreasing can be told."""

    collection_names: tuple[str, ...] = parameter((), "collections whose tensors are losses")
    tensor_regex: tuple[str, ...] = parameter((), "expressions that find losses by name")
    use_losses_collection: bool = parameter(True, "judge the collection losses too")
    num_steps: int = parameter(10, "steps between the losses that are compared; the least window of losses", low=1)
    diff_percent: float = parameter(0.1, "the loss must fall by this percentage in num_steps", low=0, high=100)
    increase_threshold_percent: float = parameter(5.0, "percentage by which the loss may rise", low=0)
    mode: str | None = parameter(None, "the steps that are judged", choices=("TRAIN", "EVAL", "PREDICT", "GLOBAL"))


@final
@dataclass
class LossNotDecreasing(Rule[LossNotDecreasingParameters]):
    """The loss does not fall: the training learns nothing, has stopped learning at once, or diverges.

    Fires when a loss of training, by the levels of windows of at least `num_steps` losses,

    - has with 95 % confidence not fallen by `diff_percent` for each `num_steps` (at least 4 % and at most 6 % in all),
    - or lies still at more than 93 % of where it began, after at least 100 losses,
    - or is above its best level by more than `increase_threshold_percent` of where it began, beyond doubt (four
      standard errors),
    - or has, after at least 100 losses, fallen to less than -10 times where it began (or -10), and falls no slower than
      before: it has no lower bound,
    - or is NaN or infinite at most of the newest `num_steps` steps (at once).

    The first four count when two looks in a row agree and there are `20 * num_steps` losses (`5 * num_steps` when the
    loss rises), or at the end of the training. A loss that fell and then lies still is a training that
    has converged, and is not reported. Of several losses one may stay as it is, so long as another falls. The loss of a
    GAN is judged only for not being a number: that of each half rises when the other learns, and a step computes it
    once or twice.

    **Needs** `2 * num_steps` losses of training, or as many passes of evaluation when training saved none.

    **Differs from SageMaker's**, which compares two single losses `num_steps` apart, prefers losses of evaluation, and
    so fires on noise and on every training that has converged. With the profile `sagemaker` a step fires when its loss
    is not lower by `diff_percent` than the newest one at least `num_steps` before it; the next comparison is at least
    `num_steps` later.
    """

    NAME: ClassVar[str] = "LossNotDecreasing"
    PARAMETERS: ClassVar[type[Parameters]] = LossNotDecreasingParameters
    ATTACHES: ClassVar[tuple[Collection, ...]] = (LOSSES,)

    parameters: LossNotDecreasingParameters = field(default_factory=LossNotDecreasingParameters)
    profile: Profile = Profile.RIGHT
    _history: LossHistory = field(default_factory=LossHistory)
    _looked_at: dict[str, int] = field(default_factory=dict)        # number of losses at the last look
    _trends: dict[str, Trend | None] = field(default_factory=dict)  # what the last look saw
    _pairs: dict[str, LossSeries] = field(default_factory=dict)
    _compared_at: dict[str, int] = field(default_factory=dict)
    _calls: dict[str, Counter[bool]] = field(default_factory=dict)  # of a loss: steps that computed it again

    def check(self, log: TensorLog, step: StepView) -> Iterable[Finding]:
        given = self.parameters
        if given.mode not in (None, "GLOBAL", step.mode.name):
            return ()
        names = loss_names(step, given.tensor_regex, given.collection_names, given.use_losses_collection)
        if self.profile is Profile.SAGEMAKER:
            return [found for name in names for found in self._compare(name, step)]
        for name in names if step.is_training else ():
            if (second := f"{name.removesuffix('0')}1") != name and log.has(second):
                self._calls.setdefault(name, Counter())[second in names] += 1
        return [found for name in self._history.add(step, names) for found in self._look(name)]

    def conclude(self, log: TensorLog) -> Iterable[Finding]:
        if self.profile is Profile.SAGEMAKER:
            return ()
        for name in dict.fromkeys((*self._history.training, *self._history.evaluation)):
            self._judge(name)
        return [self._finding(name, trend) for name, trend in self._trends.items() if trend and self._counts(trend)]

    def missing(self) -> str:
        if self._trends or self._compared_at:
            return ""
        if any(self._is_played(name) for name in self._calls):
            return "the loss is computed more often in some steps than in others: two play against each other"
        names = (*self._history.training, *self._history.evaluation)
        most = max((len(self._values(name)) for name in names), default=0)
        return f"{2 * self.parameters.num_steps} losses are needed, and {most} were saved"

    def _values(self, name: str) -> list[float]:
        if (series := self._history.training.get(name)) is not None:
            return series.values
        return [one.mean for one in self._history.evaluation.get(name, ())]

    def _look(self, name: str) -> Iterator[Finding]:
        count, last = len(self._values(name)), self._looked_at.get(name, 0)
        if count < max(last + self.parameters.num_steps, int(GROWTH * last)):
            return
        before = self._trends.get(name)
        trend = self._judge(name)
        if trend is None or not self._counts(trend):
            return
        enough = count >= ENOUGH[trend.course] * self.parameters.num_steps
        twice = before is not None and before.course is trend.course and enough
        if twice or trend.course is Course.NOT_FINITE:
            yield self._finding(name, trend)

    def _judge(self, name: str) -> Trend | None:
        values, given = self._values(name), self.parameters
        if len(values) < 2 * given.num_steps:
            return None
        limits = TrendLimits(given.num_steps, given.diff_percent, given.increase_threshold_percent)
        self._looked_at[name] = len(values)
        trend = judge_trend(values, limits)
        if self._is_played(name) and not (trend and trend.course is Course.NOT_FINITE):
            return None
        self._trends[name] = trend
        return trend

    def _is_played(self, name: str) -> bool:
        """Whether the loss is that of two that are trained against each other: it has no reason to fall."""
        calls = self._calls.get(name) or self._calls.get(f"{name.rpartition('_')[0]}_0") or Counter()
        return min(calls[True], calls[False]) > PLAYED * calls.total()

    def _counts(self, trend: Trend) -> bool:
        return trend.course is Course.NOT_FINITE or all(self._trends.values())

    def _finding(self, name: str, trend: Trend) -> Finding:
        if (series := self._history.training.get(name)) is not None:
            step, mode, mode_step = series.steps[-1], series.mode, series.mode_steps[-1]
        else:
            last = self._history.evaluation[name][-1]
            step, mode, mode_step = last.last_step, Mode.EVAL, last.last_mode_step
        cause, remedy = CAUSES[trend.course]
        return Finding(
            self.NAME, step, mode, mode_step, name, trend.measured, trend.threshold,
            f"the loss {name} {trend.course}: {trend.sentence}", cause, remedy,
        )  # fmt: skip

    def _compare(self, name: str, step: StepView) -> Iterator[Finding]:
        value = step.number(name, "mean")
        if value is None:
            return
        series = self._pairs.setdefault(name, LossSeries(step.mode))
        series.add(step, value)
        steps = series.mode_steps if self.parameters.mode in ("TRAIN", "EVAL", "PREDICT") else series.steps
        limit = self.parameters.num_steps
        earlier = [one for at, one in zip(steps, series.values, strict=True) if at <= steps[-1] - limit]
        if not earlier or steps[-1] < self._compared_at.get(name, 0) + limit:
            return
        self._compared_at[name] = steps[-1]
        percent = 100 * (earlier[-1] - value) / abs(earlier[-1]) if earlier[-1] else 0.0
        if not percent >= self.parameters.diff_percent:             # so that NaN fires as well
            yield Finding(
                self.NAME, step.step, step.mode, step.mode_step, name, percent, self.parameters.diff_percent,
                f"the loss {name} fell by {percent:.3g} %, from {earlier[-1]:.4g} to {value:.4g}",
            )  # fmt: skip


CAUSES: dict[Course, tuple[str, Remedy]] = {
    Course.FLAT: (
        "the weights are not moved towards a lower loss: the learning rate is far too low or far too high, gradients "
        "do not reach the weights, or labels do not belong to their images",
        Remedy(
            "try a learning rate ten times as high; if the loss then rises, one ten times as low",
            (Change(Knob.LEARNING_RATE, 10.0),),
        ),
    ),
    Course.STILL: (
        "the network answers every image alike: labels that do not belong to their images, inputs without contrast, or "
        "a learning rate that destroyed what the first steps learned",
        Remedy("check the labels of some batches; then try a lower learning rate", (Change(Knob.LEARNING_RATE, 0.1),)),
    ),
    Course.RISING: (
        "the updates overshoot: the learning rate is too high for this network and batch size",
        Remedy("lower the learning rate to a tenth", (Change(Knob.LEARNING_RATE, 0.1),)),
    ),
    Course.CLIMBING: (
        "what the training lowers is not this loss: its sign is wrong, with one minus too many or too few; or the "
        "learning rate is far too high from the first step on",
        Remedy(
            "see what backward() is called on: it must be the loss itself, and not its negative; if it is, lower the "
            "learning rate to a tenth",
            (Change(Knob.LEARNING_RATE, 0.1),),
        ),
    ),
    Course.BOTTOMLESS: (
        "the loss has no lower bound: its sign is wrong, targets lie outside of 0 to 1, or what must be the logarithm "
        "of probabilities is not",
        Remedy(
            "see what backward() is called on: log-probabilities of the right answers with a minus before them; "
            "CrossEntropyLoss takes logits and does it all"
        ),
    ),
    Course.NOT_FINITE: (
        "an update or an image made the loss overflow, and the weights with it",
        Remedy(
            "lower the learning rate and clip gradients; check the images for values that are not finite",
            (Change(Knob.LEARNING_RATE, 0.1), Change(Knob.CLIP_NORM, value="1.0")),
        ),
    ),
}
