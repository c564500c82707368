"""The rule ExplodingTensor."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, final

import numpy as np

from tintype.debugger.collection import Collection
from tintype.rules.attached import LOSSES, reduced
from tintype.rules.finding import Change, Finding, Knob, Remedy
from tintype.rules.parameters import Parameters, parameter
from tintype.rules.rule import Profile, Rule
from tintype.rules.selection import GRADIENT, nothing_named, selected
from tintype.rules.step_view import StepView

if TYPE_CHECKING:
    from tintype.debugger.tensor_log import TensorLog

SCALER_STEPS = 3        # the scaler of half precision may skip a step with infinite gradients, and lower its scale


@final
@dataclass(frozen=True)
class ExplodingTensorParameters(Parameters):
    """What ExplodingTensor can be told."""

    collection_names: tuple[str, ...] = parameter((), "collections that are looked at")
    tensor_regex: tuple[str, ...] = parameter((), "expressions that find tensors by name")
    only_nan: bool = parameter(False, "look for NaN alone, not for infinity")


@final
@dataclass
class ExplodingTensor(Rule[ExplodingTensorParameters]):
    """A tensor holds values that are not numbers: NaN, or infinite ones.

    One such value spreads: the loss becomes NaN, then every gradient, then every weight, and the training is lost
    although it goes on.

    Fires when a tensor holds NaN, or infinity unless `only_nan`; once for each tensor, when it begins. The first tensor
    named is the nearest to the origin: inputs before weights, weights before losses, losses before gradients.

    **Needs** whole tensors, or their `min` and `max` (both become NaN when an element is). Without `collection_names`
    and `tensor_regex` everything is looked at that was saved, the losses at every step.

    **Differs from SageMaker's**, which must be told what to look at, and fires again at every step. Gradients alone
    must be broken for three saved steps: with half precision the gradient scaler begins with a scale that is too
    large, skips those steps and lowers it, as it is meant to. The profile `sagemaker` fires at the first step.
    """

    NAME: ClassVar[str] = "ExplodingTensor"
    PARAMETERS: ClassVar[type[Parameters]] = ExplodingTensorParameters
    ATTACHES: ClassVar[tuple[Collection, ...]] = (
        LOSSES,
        reduced("gradients", "min,max"),
        reduced("weights", "min,max"),
    )

    parameters: ExplodingTensorParameters = field(default_factory=ExplodingTensorParameters)
    profile: Profile = Profile.RIGHT
    _in_a_row: Counter[str] = field(default_factory=Counter)
    _looked: bool = False

    def check(self, log: TensorLog, step: StepView) -> Iterable[Finding]:
        given = self.parameters
        literal = self.profile is Profile.SAGEMAKER
        everything = nothing_named(given.tensor_regex, given.collection_names) and not literal
        names = step.names() if everything else selected(step, given.collection_names, given.tensor_regex)
        found = []
        for name in sorted(names, key=_distance):
            what = self._broken(step, name)
            self._in_a_row[name] = self._in_a_row[name] + 1 if what else 0
            if what and (literal or self._in_a_row[name] == _patience(name)):
                found.append(self._finding(step, name, what))
        return found

    def _broken(self, step: StepView, name: str) -> str:
        extremes = _extremes(step, name)
        if extremes is None:
            return ""
        self._looked = True
        if any(math.isnan(one) for one in extremes):
            return "NaN"
        return "infinity" if any(map(math.isinf, extremes)) and not self.parameters.only_nan else ""

    def missing(self) -> str:
        return "" if self._looked else "no tensor (nor its min and max) that the rule looks at was saved"

    def _finding(self, step: StepView, name: str, what: str) -> Finding:
        return Finding(
            self.NAME, step.step, step.mode, step.mode_step, name, math.nan if what == "NaN" else math.inf, 0.0,
            f"{name} holds {what}", _cause(name, what), _remedy(name),
        )  # fmt: skip


def _extremes(step: StepView, name: str) -> tuple[float, float] | None:
    value = step.value(name)
    if value is not None:
        if value.dtype.kind not in "fc" or not value.size:
            return (0.0, 0.0)
        plain = np.abs(value) if value.dtype.kind == "c" else value
        return float(plain.min()), float(plain.max())
    numbers = [number for op in ("min", "max", "mean", "l2") if (number := step.number(name, op)) is not None]
    numbers += [number for op in ("max", "mean") if (number := step.number(name, op, absolute=True)) is not None]
    if not numbers:
        return None
    broken = next((one for one in numbers if math.isnan(one)), None)
    return (min(numbers), max(numbers)) if broken is None else (broken, broken)


def _distance(name: str) -> int:
    if name.startswith(GRADIENT):
        return 3
    if "oss" in name and "_output" in name:
        return 2
    return 0 if "_input" in name else 1


def _patience(name: str) -> int:
    return SCALER_STEPS if name.startswith(GRADIENT) else 1


def _cause(name: str, what: str) -> str:
    if "_input" in name and "oss" not in name:
        return f"{what} came in with the data: an image, or its preprocessing, has values that are not finite"
    if what == "infinity":
        return "values grew without bound: the learning rate is too high, or half precision overflows"
    return "an overflow, a division by zero or the logarithm of zero in an earlier step or in the data of this one"


def _remedy(name: str) -> Remedy:
    if "_input" in name and "oss" not in name:
        return Remedy("find the image (a standard deviation of zero is often divided by) and leave it out")
    return Remedy(
        "lower the learning rate to a tenth and clip gradients to norm 1; with fp16 use bf16 or a gradient scaler",
        (Change(Knob.LEARNING_RATE, 0.1), Change(Knob.CLIP_NORM, value="1.0")),
    )
