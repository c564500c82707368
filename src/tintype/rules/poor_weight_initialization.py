"""The rule PoorWeightInitialization."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, final

from tintype.debugger.collection import Collection
from tintype.rules.attached import LOSSES, reduced
from tintype.rules.finding import Change, Finding, Knob, Remedy
from tintype.rules.initial_signs import InitialSigns
from tintype.rules.parameters import Parameters, parameter
from tintype.rules.rule import Profile, Rule
from tintype.rules.selection import weights
from tintype.rules.step_view import StepView

if TYPE_CHECKING:
    from tintype.debugger.tensor_log import TensorLog

TINY = 0.1                              # times 1 / threshold: the scale below which weights pass nothing on
# Tables that are looked up are not multiplied with: their scale does not depend on their width.
WHOLE = 3.0                             # the scale of which half of the layers may not all be larger
# What no layer multiplies with: embeddings, and what a parametrization makes the weights of.
NO_FACTOR = re.compile(r"(?i)(embed|token|position|pos_|wte|wpe|\bparametrizations\.)")


@final
@dataclass(frozen=True)
class PoorWeightInitializationParameters(Parameters):
    """What PoorWeightInitialization can be told."""

    activation_inputs_regex: tuple[str, ...] = parameter(
        (".*relu_input|.*ReLU_input",), "expressions that find inputs of activations; used by the profile sagemaker"
    )
    threshold: float = parameter(10.0, "how far the scale of a layer may be from the others, as a factor", low=1)
    distribution_range: float = parameter(
        0.001, "least distance of the 5th and 95th percentile of gradients; used by the profile sagemaker", low=0
    )
    patience: int = parameter(5, "steps without a lower loss; used by the profile sagemaker", low=1)
    steps: int = parameter(10, "steps of training in which the initialisation is judged", low=1)


@final
@dataclass
class PoorWeightInitialization(Rule[PoorWeightInitializationParameters]):
    """The weights that training starts from are so large, so small or so alike that it cannot succeed.

    The measure is the scale of a layer: the standard deviation of its weights times the square root of the number of
    inputs of a unit (or of its outputs, when those are fewer and the question is whether it is too large). A scale of 1
    to 1.4 keeps the size of signals (Glorot, He); PyTorch's default is 0.58, and layers of trained networks lie between
    0.1 and 5.

    Fires, once for each layer, when the weights (of two axes and more, no embeddings, nor what a parametrization makes
    weights of), as they are first seen within the first `steps` steps of training,

    - have a scale above `threshold`, or below a hundredth of one (with the default),
    - are of one sign, all of them, and so large that their sum is above `threshold` times a unit's share,
    - or are all the same number and not zero: such units are copies of each other, and stay so,
    - or are all zero and still are at a second step: nothing passes.

    Fires too when half of the layers have a scale above 3, each of which makes signals larger than the one before.

    **Needs** `std`, `min` and `max` of the weights with their shapes, or whole weights, at a step below `steps`.

    **Differs from SageMaker's**, which compares the variances of all layers with each other (they differ by more than
    ten by design, as wider layers have smaller weights), asks gradients to spread by 0.001, and takes five losses of
    noise for a verdict. It fires at step 0 for nearly every pretrained backbone. The profile `sagemaker` does that: it
    fires within the first `steps` steps when the largest variance of weights, or of inputs of activations, is more than
    `threshold` times the smallest; when for some gradient the percentiles 5 and 95 are closer than
    `distribution_range`; or when the loss has not fallen for `patience` steps.

    Source: Glorot and Bengio, AISTATS 2010; He et al., "Delving deep into rectifiers", ICCV 2015.
    """

    NAME: ClassVar[str] = "PoorWeightInitialization"
    PARAMETERS: ClassVar[type[Parameters]] = PoorWeightInitializationParameters
    ATTACHES: ClassVar[tuple[Collection, ...]] = (reduced("weights", "std,min,max"), LOSSES)

    parameters: PoorWeightInitializationParameters = field(default_factory=PoorWeightInitializationParameters)
    profile: Profile = Profile.RIGHT
    _signs: InitialSigns = field(default_factory=InitialSigns)
    _zero: set[str] = field(default_factory=set)
    _told: set[str] = field(default_factory=set)
    _scales: dict[str, float] = field(default_factory=dict)     # of the layers as they were first seen
    _looked: bool = False

    def check(self, log: TensorLog, step: StepView) -> Iterable[Finding]:
        given = self.parameters
        if not step.is_training or step.mode_step >= given.steps:
            return ()
        if self.profile is Profile.SAGEMAKER:
            self._looked = True
            signs = self._signs.seen(
                step, given.activation_inputs_regex, given.threshold, given.distribution_range, given.patience
            )
            return [self._finding(step, *sign) for sign in signs]
        known = len(self._scales)
        found = [one for name in weights(step) if name not in self._told for one in self._judge(step, name)]
        return [*found, *self._all_large(step)] if len(self._scales) > known and not self._told else found

    def _judge(self, step: StepView, name: str) -> Iterator[Finding]:
        shape, std = step.shape(name), step.number(name, "std")
        low, high = step.number(name, "min"), step.number(name, "max")
        if shape is None or len(shape) < 2 or std is None or math.isnan(std) or NO_FACTOR.search(name):
            return
        self._looked = True
        constant = std == 0 or (low is not None and low == high)
        if name in self._scales and not (constant and not low):         # it has been trained since
            return
        inputs, outputs = math.prod(shape[1:]), shape[0] * math.prod(shape[2:])
        scale, most = std * math.sqrt(inputs), self.parameters.threshold
        large = self._scales[name] = std * math.sqrt(min(inputs, outputs))
        if constant and not low:
            stays = name in self._zero
            self._zero.add(name)
            if stays:
                yield self._told_of(step, name, 0.0, 0.0, f"the weights {name} are all zero, and stay so")
        elif constant and shape[0] > 1:
            same = f"the weights {name} are all {low:.4g}: its units are copies of each other"
            yield self._told_of(step, name, 0.0, 0.0, same)
        elif large > most:
            yield self._told_of(step, name, large, most, f"the weights {name} are too large")
        elif min(shape[0], inputs) > 1 and (sided := _one_sided(low, high) * math.sqrt(inputs * outputs)) > most:
            yield self._told_of(step, name, sided, most, f"the weights {name} are all of one sign, and too large")
        elif scale < TINY / most and not constant and name not in self._zero:
            yield self._told_of(step, name, scale, TINY / most, f"the weights {name} are too small")

    def _all_large(self, step: StepView) -> Iterator[Finding]:
        middle = sorted(self._scales.values())[(len(self._scales) - 1) // 2]
        if len(self._scales) > 1 and middle > WHOLE:
            largest = max(self._scales, key=self._scales.__getitem__)
            message = f"half of the layers have weights that are too large, {largest} the largest"
            yield self._told_of(step, largest, middle, WHOLE, message)

    def _told_of(self, step: StepView, name: str, measured: float, threshold: float, message: str) -> Finding:
        self._told.add(name)
        sized = f"{message}: their scale is {measured:.3g}, and about 1 is right" if measured else message
        return self._finding(step, name, measured, threshold, sized)

    def missing(self) -> str:
        if self._looked:
            return ""
        steps = self.parameters.steps
        return f"std and shape of the weights at one of the first {steps} steps are needed; there are none"

    def _finding(self, step: StepView, name: str, measured: float, threshold: float, message: str) -> Finding:
        return Finding(
            self.NAME, step.step, step.mode, step.mode_step, name, measured, threshold, message, CAUSE, REMEDY
        )


def _one_sided(low: float | None, high: float | None) -> float:
    """The middle of weights that are all positive, or all negative; 0 of others."""
    return abs(low + high) / 2 if low is not None and high is not None and low * high >= 0 else 0.0


CAUSE = "the layer was not initialised for its width, or with one constant, or a checkpoint was read wrongly"
REMEDY = Remedy(
    "leave PyTorch's own initialisation, use torch.nn.init.kaiming_normal_, or load pretrained weights",
    (Change(Knob.WEIGHTS, value="auto"),),
)
