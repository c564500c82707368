"""The rule WeightUpdateRatio."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, final

import numpy as np

from tintype.debugger.collection import Collection
from tintype.rules.attached import reduced
from tintype.rules.finding import Change, Finding, Knob, Remedy
from tintype.rules.parameters import Parameters, parameter
from tintype.rules.rule import Profile, Rule
from tintype.rules.selection import gradient_of, weights
from tintype.rules.step_view import Array, StepView

if TYPE_CHECKING:
    from tintype.debugger.tensor_log import TensorLog

OPS = ("min", "max", "mean", "std")
PATIENCE = 3                            # saved steps in a row for an update that is too small
NOTHING = 1e-6                          # a mean size below which weights have just begun at zero, on purpose

Kept = Array | tuple[float, ...]        # the tensor, or its reductions `OPS` and the mean of the absolute values


@final
@dataclass(frozen=True)
class WeightUpdateRatioParameters(Parameters):
    """What WeightUpdateRatio can be told."""

    num_steps: int | None = parameter(None, "steps between the weights compared; none: the saved step before", low=1)
    large_threshold: float = parameter(10.0, "a larger ratio fires", low=0)
    small_threshold: float = parameter(1e-8, "a smaller ratio fires", low=0)
    epsilon: float = parameter(1e-9, "added to the size of the weights, which may be zero", low=0)


@final
@dataclass
class WeightUpdateRatio(Rule[WeightUpdateRatioParameters]):
    """The weights change by far too much or not at all from one saved step to the next.

    The ratio is the mean absolute change of a weight tensor, divided by the mean absolute weight before (plus
    `epsilon`). A healthy training has about 1/1000 in a step.

    Fires when the ratio of a weight is above `large_threshold`, or when it is below `small_threshold` at three saved
    steps in a row although the weight has a gradient. What is compared is the saved step before this one, or the newest
    one at least `num_steps` before it.

    **Needs** whole weights for the exact ratio, or their `abs_mean`, `min`, `max`, `mean` and `std`. From those comes a
    bound: the mean change is at least the difference of the mean sizes, and reductions that are all equal to the last
    bit are those of a tensor that has not changed.

    **Differs from SageMaker's**, which needs whole weights of every layer, counts biases and layers that begin at zero
    (whose ratio is infinite at the first update), and takes what is frozen on purpose for an update too small. The
    profile `sagemaker` does so, by whole weights alone.

    Source: A. Karpathy, "Neural networks: tricks of the trade", CS231n notes, on the ratio of updates to weights.
    """

    NAME: ClassVar[str] = "WeightUpdateRatio"
    PARAMETERS: ClassVar[type[Parameters]] = WeightUpdateRatioParameters
    ATTACHES: ClassVar[tuple[Collection, ...]] = (
        reduced("weights", "abs_mean,min,max,mean,std"),
        reduced("gradients", "abs_mean"),
    )

    parameters: WeightUpdateRatioParameters = field(default_factory=WeightUpdateRatioParameters)
    profile: Profile = Profile.RIGHT
    _before: dict[str, deque[tuple[int, Kept]]] = field(default_factory=dict)
    _small: Counter[str] = field(default_factory=Counter)
    _compared: bool = False

    def check(self, log: TensorLog, step: StepView) -> Iterable[Finding]:
        literal = self.profile is Profile.SAGEMAKER
        names = step.names(collection="weights") if literal else weights(step)
        if not step.is_training and not literal:
            return ()
        return [found for name in names for found in self._judge(step, name, literal)]

    def _judge(self, step: StepView, name: str, literal: bool) -> Iterable[Finding]:
        now = _kept(step, name, literal)
        if now is None:
            return
        before = self._previous(name, step.step)
        self._before[name].append((step.step, now))
        if before is None:
            return
        ratio = self._ratio(before, now, literal)
        if ratio is None:
            return
        self._compared = True
        given = self.parameters
        if ratio > given.large_threshold:
            yield self._finding(step, name, ratio, given.large_threshold, "too large")
        self._small[name] = self._small[name] + 1 if ratio < given.small_threshold else 0
        patient = literal or (self._small[name] == PATIENCE and (step.number(gradient_of(name), "mean", absolute=True)))
        if ratio < given.small_threshold and patient:
            yield self._finding(step, name, ratio, given.small_threshold, "too small")

    def _previous(self, name: str, step: int) -> Kept | None:
        # Only what a later step can be compared with is kept: whole weights may be large.
        kept = self._before.setdefault(name, deque())
        apart = self.parameters.num_steps or 1
        while len(kept) > 1 and kept[1][0] <= step - apart:
            kept.popleft()
        return kept[0][1] if kept and kept[0][0] <= step - apart else None

    def _ratio(self, before: Kept, now: Kept, literal: bool) -> float | None:
        epsilon = self.parameters.epsilon
        if isinstance(before, np.ndarray) and isinstance(now, np.ndarray) and before.shape == now.shape:
            size = float(np.mean(np.abs(before)))
            if size < NOTHING and not literal:
                return None
            return float(np.mean(np.abs(now - before))) / (size + epsilon)
        if isinstance(before, np.ndarray) or isinstance(now, np.ndarray) or before[-1] < NOTHING:
            return None
        if before == now:
            return 0.0
        return max(abs(now[-1] - before[-1]), abs(now[2] - before[2])) / (before[-1] + epsilon) or None

    def missing(self) -> str:
        needed = "weights of two saved steps are needed: whole, or abs_mean, min, max, mean and std"
        return "" if self._compared else needed

    def _finding(self, step: StepView, name: str, ratio: float, limit: float, what: str) -> Finding:
        cause, remedy = CAUSES[what]
        return Finding(
            self.NAME, step.step, step.mode, step.mode_step, name, ratio, limit,
            f"the update of {name} is {what}: {ratio:.3g} of its size, where {limit:.3g} is the limit", cause, remedy,
        )  # fmt: skip


def _kept(step: StepView, name: str, literal: bool) -> Kept | None:
    value = step.value(name)
    if value is not None or literal:
        return value
    size = step.number(name, "mean", absolute=True)
    numbers = [step.number(name, op) for op in OPS]
    known = [one for one in numbers if one is not None]
    return (*known, size) if size is not None and len(known) == len(OPS) and size == size else None


CAUSES = {
    "too large": (
        "a step of the optimiser throws the weights far away: the learning rate is too high, or gradients explode",
        Remedy(
            "lower the learning rate to a tenth, warm it up, and clip gradients",
            (Change(Knob.LEARNING_RATE, 0.1), Change(Knob.CLIP_NORM, value="1.0")),
        ),
    ),
    "too small": (
        "steps are too small to change the weights, or the optimiser does not have them among its parameters",
        Remedy(
            "check that the optimiser was given these parameters; then raise the learning rate tenfold",
            (Change(Knob.LEARNING_RATE, 10.0),),
        ),
    ),
}
