"""The rule LearningRateTooLow."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, final

from tintype.debugger.collection import Collection
from tintype.rules.attached import LOSSES
from tintype.rules.finding import Change, Finding, Knob, Remedy
from tintype.rules.loss_history import loss_at
from tintype.rules.parameters import Parameters, parameter
from tintype.rules.rule import Profile, Rule
from tintype.rules.run_facts import rate_has_decayed
from tintype.rules.step_view import StepView
from tintype.rules.trends import Drop, Level
from tintype.rules.weight_travel import WEIGHTS, WeightTravel

if TYPE_CHECKING:
    from tintype.debugger.tensor_log import TensorLog

LEAST_LOSSES = 20
ENOUGH_LOSSES = 50                      # for which `threshold` is meant: of a shorter training less is expected
SMALL_DROP = 0.05                       # of the first level: a training that took off more is under way


@final
@dataclass(frozen=True)
class LearningRateTooLowParameters(Parameters):
    """What LearningRateTooLow can be told."""

    threshold: float = parameter(0.03, "way of the fastest layer in all, in deviations of its weights", low=0)


@final
@dataclass
class LearningRateTooLow(Rule[LearningRateTooLowParameters]):
    """The weights have hardly moved when the training is over, and neither has the loss.

    Fires at the end of a training of at least 20 steps

    - when no weight tensor came farther from its start than `threshold` of its deviation (in proportion less when there
      were fewer than 50 steps), though at least one did move, and the loss is not lower by 5 % than it was. A healthy
      training of 50 steps comes 0.3 to 10 deviations far. Gradients that are clipped far below their size look the same
      and have the same remedy;
    - after 50 steps, when all of the movement was in the first half, the loss did not fall in the second, and lies at
      more than half of its first level: the rate decayed to nothing too early, as when a schedule for epochs is stepped
      at each batch, or nothing arrives at the weights any more. The cause says which, where the log has the rates.

    A training may begin as slowly as that in a warm-up; so nothing is said before it is over. A fine-tuning with a rate
    that is low on purpose lowers its loss and is not reported.

    **Needs** losses of each step and `min, max, mean, std` of weights now and then. SageMaker's nearest rule is
    WeightUpdateRatio, whose lower threshold of 1e-8 a learning rate can hardly reach.
    """

    NAME: ClassVar[str] = "LearningRateTooLow"
    PARAMETERS: ClassVar[type[Parameters]] = LearningRateTooLowParameters
    ATTACHES: ClassVar[tuple[Collection, ...]] = (LOSSES, WEIGHTS)

    parameters: LearningRateTooLowParameters = field(default_factory=LearningRateTooLowParameters)
    profile: Profile = Profile.RIGHT
    _travel: WeightTravel = field(default_factory=WeightTravel)
    _losses: dict[str, list[float]] = field(default_factory=dict)
    _last: StepView | None = None

    def check(self, log: TensorLog, step: StepView) -> Iterable[Finding]:
        if step.is_training:
            self._last = step
            self._travel.add(step)
            for name in step.names(collection="losses"):
                if (value := loss_at(step, name)) is not None:
                    self._losses.setdefault(name, []).append(value)
        return ()

    def conclude(self, log: TensorLog) -> Iterator[Finding]:
        travelled = self._travel.travelled
        farthest = max(travelled, key=travelled.__getitem__, default="")
        if self.missing() or self._last is None or not travelled.get(farthest):
            return
        count = max(map(len, self._losses.values()))
        step, limit = self._last, self.parameters.threshold * min(1.0, count / ENOUGH_LOSSES)
        late = self._travel.travelled_since(step.mode_step // 2)
        if travelled[farthest] < limit and not any(map(_fell, self._losses.values())):
            message = (
                f"after {step.mode_step + 1} steps no layer is farther from its start than {travelled[farthest]:.2g} "
                f"of its deviation ({farthest}), and the loss is where it was"
            )
            measured, cause = travelled[farthest], CAUSE
        elif count >= ENOUGH_LOSSES and late < limit and not any(map(_fell_late, self._losses.values())):
            message = (
                f"in the second half of {step.mode_step + 1} steps no layer moved by more than {late:.2g} of its "
                "deviation, and the loss stayed at more than half of its first level"
            )
            measured, cause = late, DECAYED if rate_has_decayed(log) else UNMOVED
        else:
            return
        yield Finding(
            self.NAME, step.step, step.mode, step.mode_step, farthest, measured, limit, message, cause, REMEDY
        )

    def missing(self) -> str:
        count = max(map(len, self._losses.values()), default=0)
        if count < LEAST_LOSSES:
            return f"{LEAST_LOSSES} losses of training are needed, and {count} were saved"
        return "" if self._travel.steps > 1 else "weights of two steps are needed, and fewer were saved"


def _fell(values: list[float]) -> bool:
    """The loss went down by more than `SMALL_DROP`."""
    tenth = max(10, len(values) // 10)
    first, last = Level.of(values[:tenth]), Level.of(values[-tenth:])
    return not Drop.between(first, last).amount < SMALL_DROP * abs(first.value)


def _fell_late(values: list[float]) -> bool:
    """The loss went down in the second half, or had come to less than half of its first level."""
    return _fell(values[len(values) // 2 :]) or not Level.of(values[-10:]).value > 0.5 * Level.of(values[:10]).value


DECAYED = "the learning rate has decayed to nothing, as when a schedule that counts epochs is stepped at each batch"
UNMOVED = (
    "the learning rate is what it was, but too low for weights as large as these, or gradients do not reach them any "
    "more, as behind dead or saturated units"
)
CAUSE = "each step is far too short: the learning rate is too low, or gradients are clipped to a tiny norm"
REMEDY = Remedy("raise the learning rate a hundredfold", (Change(Knob.LEARNING_RATE, 100.0),))
