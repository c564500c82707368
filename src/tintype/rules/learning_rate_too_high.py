"""The rule LearningRateTooHigh."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, final

import numpy as np

from tintype.debugger.collection import Collection
from tintype.rules.attached import LOSSES
from tintype.rules.finding import Change, Finding, Knob, Remedy
from tintype.rules.loss_history import loss_at
from tintype.rules.parameters import Parameters, parameter
from tintype.rules.rule import Profile, Rule
from tintype.rules.step_view import StepView
from tintype.rules.trends import Drop, Level
from tintype.rules.weight_travel import WEIGHTS, WeightTravel

if TYPE_CHECKING:
    from tintype.debugger.tensor_log import TensorLog

FIRST_LOOK = 30                         # losses; a spike in fewer steps may be a warm start that recovers
LEAST = 20                              # losses of a training that is over
WINDOW = 10                             # losses of a level
RECOVERED = 0.9                         # of the first loss: a training that came below it has survived its spike


@final
@dataclass(frozen=True)
class LearningRateTooHighParameters(Parameters):
    """What LearningRateTooHigh can be told."""

    threshold: float = parameter(0.15, "move of a layer in one early step, in deviations of its weights", low=0)
    spike: float = parameter(1.5, "factor of the first loss that the loss must not come to stay above", low=1)


@final
@dataclass
class LearningRateTooHigh(Rule[LearningRateTooHighParameters]):
    """Steps are so long that they jump over the valley they should descend into.

    A rate that is ten or a hundred times too high throws the weights far away in the first steps. The loss jumps, and
    then often looks calm: what is left is a network whose units are dead or saturated and that answers with the class
    frequencies. Both the jump and the weights' way tell it from a training that merely does not learn.

    Fires when the weights moved too fast, which is when some layer moved by more than `threshold` of its deviation in
    the median of its first steps, or came farther than 15 deviations from its start,

    - and the loss lies at no less than 90 % of the first loss (after 30 steps at the earliest, two looks in a row; one
      is enough at the end of a training of at least 20 steps),
    - or rose from its best level to above `spike` times the first loss,
    - or whatever the loss does, when a layer came farther than 50 deviations within the first 300 steps: batch norms
      can keep a network alive that is thrown about, and it would learn better otherwise.

    A healthy run moves its layers by 0.1 % to 10 % of their deviation in a step.

    **Needs** losses of each step and `min, max, mean, std` of weights at the first steps. SageMaker's nearest rule is
    WeightUpdateRatio, whose threshold of 10 is met only when training is beyond help.

    Source: LeCun, Bottou, Orr and Müller, "Efficient BackProp", 1998 (rates beyond twice the inverse curvature
    diverge); the ratio of update to weight as a yardstick: Karpathy, CS231n notes, "about 1e-3".
    """

    NAME: ClassVar[str] = "LearningRateTooHigh"
    PARAMETERS: ClassVar[type[Parameters]] = LearningRateTooHighParameters
    ATTACHES: ClassVar[tuple[Collection, ...]] = (LOSSES, WEIGHTS)

    parameters: LearningRateTooHighParameters = field(default_factory=LearningRateTooHighParameters)
    profile: Profile = Profile.RIGHT
    _travel: WeightTravel = field(default_factory=WeightTravel)
    _losses: dict[str, list[float]] = field(default_factory=dict)
    _suspected: set[str] = field(default_factory=set)
    _said: bool = False
    _last: StepView | None = None       # of training

    def check(self, log: TensorLog, step: StepView) -> Iterable[Finding]:
        if not step.is_training:
            return ()
        self._travel.add(step)
        self._last = step
        for name in step.names(collection="losses"):
            if (value := loss_at(step, name)) is not None:
                self._losses.setdefault(name, []).append(value)
        count = self._count
        return self._look(step) if not self._said and count >= FIRST_LOOK and count % WINDOW == 0 else ()

    def conclude(self, log: TensorLog) -> Iterable[Finding]:
        if self._said or self._count < LEAST or self._last is None:
            return ()
        self._suspected.update(self._losses)
        return self._look(self._last)

    @property
    def _count(self) -> int:
        return max(map(len, self._losses.values()), default=0)

    def missing(self) -> str:
        if self._count < LEAST:
            return f"{LEAST} losses of training are needed, and {self._count} were saved"
        return "" if self._travel.steps > 1 else "weights of the first steps are needed, and none were saved"

    def _look(self, step: StepView) -> Iterator[Finding]:
        if (moved := self._moved()) is None:
            return
        flung = step.mode_step <= EARLY_STEPS and max(self._travel.travelled.values(), default=0.0) > FLUNG
        for name, values in self._losses.items():
            if len(values) < LEAST:                 # such as one that is computed once an epoch
                continue
            sentence = self._wrong(values) or (SURVIVED if flung else "")
            if sentence and name in self._suspected:
                self._said = True
                layer, measured, threshold, said = moved
                message = f"{sentence}, and {said}"
                yield Finding(
                    self.NAME, step.step, step.mode, step.mode_step, layer, measured, threshold, message, CAUSE, REMEDY
                )
            (self._suspected.add if sentence else self._suspected.discard)(name)

    def _moved(self) -> tuple[str, float, float, str] | None:
        """The layer that moved too fast: its name, by how much, the limit, and both in words."""
        speed, travelled = self._travel.early_speed, self._travel.travelled
        farthest = max(travelled, key=travelled.__getitem__, default="")
        if farthest and travelled[farthest] > FAR:
            said = f"{farthest} came {travelled[farthest]:.3g} deviations away from where it began"
            return farthest, travelled[farthest], FAR, said
        fastest = max(speed, key=speed.__getitem__, default="")
        if fastest and speed[fastest] > self.parameters.threshold:
            said = f"each of the first steps moved {fastest} by {speed[fastest]:.2g} of its deviation"
            return fastest, speed[fastest], self.parameters.threshold, said
        return None

    def _wrong(self, values: list[float]) -> str:
        """What is wrong with a loss, in words; "" when nothing is."""
        first = Level.of(values[:1]).value
        now = Level.of(values[-WINDOW:])
        if not math.isfinite(first):
            return ""
        if not math.isfinite(now.value):
            return f"the loss began at {first:.4g} and is not a number any more"
        if now.value > RECOVERED * first:
            highest = float(np.nanmax(values))
            return f"the loss began at {first:.4g}, went up to {highest:.4g} and is at {now.value:.4g}"
        best = min((Level.of(values[at : at + WINDOW]) for at in range(0, len(values) - WINDOW, WINDOW)),
                   key=lambda one: one.value)  # fmt: skip
        if Drop.between(now, best).certain and now.value > self.parameters.spike * first:
            return f"the loss had come down to {best.value:.4g} and is at {now.value:.4g}"
        return ""


FAR = 15.0                              # deviations from the start; healthy trainings come 1 to 10 deviations far
FLUNG, EARLY_STEPS = 50.0, 300
SURVIVED = "the loss has survived so far"
CAUSE = "the learning rate, or the momentum that adds up steps, is too high for this network and batch size"
REMEDY = Remedy(
    "lower the learning rate to a tenth; a warm-up and clipped gradients allow a higher one",
    (Change(Knob.LEARNING_RATE, 0.1), Change(Knob.CLIP_NORM, value="1.0")),
)
