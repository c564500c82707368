"""The rule SaturatedActivation."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, final

import numpy as np

from tintype.debugger.collection import Collection
from tintype.debugger.reductions import QUANTILES
from tintype.rules.attached import reduced
from tintype.rules.finding import Change, Finding, Knob, Remedy
from tintype.rules.parameters import Parameters, parameter
from tintype.rules.rule import Profile, Rule
from tintype.rules.step_view import StepView

if TYPE_CHECKING:
    from tintype.debugger.tensor_log import TensorLog

PATIENCE = 3                            # saved steps in a row
EARLY = 60                              # steps of training in which even a network's answers are not yet sure


@final
@dataclass(frozen=True)
class SaturatedActivationParameters(Parameters):
    """What SaturatedActivation can be told."""

    collection_names: tuple[str, ...] = parameter((), "collections of inputs of tanh and sigmoid")
    tensor_regex: tuple[str, ...] = parameter(
        (".*tanh_input|.*sigmoid_input",), "expressions that find inputs of tanh and sigmoid by name"
    )
    threshold_tanh_min: float = parameter(-9.4999, "a smaller input saturates tanh")
    threshold_tanh_max: float = parameter(9.4999, "a larger input saturates tanh")
    threshold_sigmoid_min: float = parameter(-23.0, "a smaller input saturates the sigmoid")
    threshold_sigmoid_max: float = parameter(16.99999, "a larger input saturates the sigmoid")
    threshold_inactivity: float = parameter(
        1.0, "percentage of inputs a node must answer to; used by the profile sagemaker", low=0, high=100
    )
    threshold_layer: float = parameter(50.0, "percentage of a layer that may be saturated", low=0, high=100)


@final
@dataclass
class SaturatedActivation(Rule[SaturatedActivationParameters]):
    """The inputs of tanh or sigmoid are so large that nothing changes any more, and no gradient passes.

    The thresholds are where the derivative falls below 1e-7.

    Fires when more than `threshold_layer` per cent of the inputs of a layer lie beyond them, at three saved steps in a
    row, the first of them within 60 steps of training: later on a last layer that answers with certainty saturates too,
    and should.

    **Needs** the inputs of tanh and sigmoid (collections `tanh_input` and `sigmoid_input`, into which the hook puts
    modules by their class, besides what `tensor_regex` finds): `quantiles`, or whole tensors.

    **Differs from SageMaker's**, which finds them by name alone, and calls a node saturated when it is beyond the
    thresholds for all but `threshold_inactivity` per cent of the inputs: inputs spread with a standard deviation of 50
    around zero, which teach nothing, pass there because one in seven is small. The profile `sagemaker` counts so, by
    whole tensors alone, at every saved step.
    """

    NAME: ClassVar[str] = "SaturatedActivation"
    PARAMETERS: ClassVar[type[Parameters]] = SaturatedActivationParameters
    ATTACHES: ClassVar[tuple[Collection, ...]] = (
        reduced("tanh_input", "quantiles", "(?i).*tanh_input"),
        reduced("sigmoid_input", "quantiles", "(?i).*sigmoid_input"),
    )

    parameters: SaturatedActivationParameters = field(default_factory=SaturatedActivationParameters)
    profile: Profile = Profile.RIGHT
    _in_a_row: Counter[str] = field(default_factory=Counter)
    _began_late: set[str] = field(default_factory=set)
    _looked: bool = False

    def check(self, log: TensorLog, step: StepView) -> Iterable[Finding]:
        shares = {name: self._share(step, name, *limits) for name, limits in self._layers(step).items()}
        self._looked = self._looked or any(share is not None for share in shares.values())
        limit = self.parameters.threshold_layer
        beyond = {name: share for name, share in shares.items() if share is not None and share > limit}
        if self.profile is Profile.RIGHT:
            beyond = {name: beyond[name] for name in shares if self._lasts(step, name, name in beyond)}
        return [self._finding(step, name, share) for name, share in beyond.items()]

    def _layers(self, step: StepView) -> dict[str, tuple[float, float]]:
        """Inputs by name, with the limits of their function."""
        given = self.parameters
        tanh, sigmoid = step.names(collection="tanh_input"), step.names(collection="sigmoid_input")
        named = [name for one in given.collection_names for name in step.names(collection=one)]
        named += step.names(given.tensor_regex)
        of_tanh = {*tanh, *(name for name in named if name not in sigmoid and not re.search("(?i)sigmoid", name))}
        limits = dict.fromkeys((*sigmoid, *named), (given.threshold_sigmoid_min, given.threshold_sigmoid_max))
        return limits | dict.fromkeys(sorted(of_tanh), (given.threshold_tanh_min, given.threshold_tanh_max))

    def _share(self, step: StepView, name: str, low: float, high: float) -> float | None:
        """Percentage of a layer that is saturated; None when the log does not tell."""
        value = step.value(name)
        if value is not None:
            if not value.size:
                return None
            inside = (value >= low) & (value <= high)
            if self.profile is Profile.RIGHT or value.ndim < 2:
                return 100 * (1 - float(np.mean(inside)))
            return 100 * float(np.mean(100 * np.mean(inside, axis=0) < self.parameters.threshold_inactivity))
        quantiles = None if self.profile is Profile.SAGEMAKER else step.distribution(name, "quantiles")
        if quantiles is None or not np.all(np.isfinite(quantiles)):
            return None
        below, above = np.interp([low, high], quantiles, QUANTILES)
        return 100 * float(below + 1 - above)

    def _lasts(self, step: StepView, name: str, beyond: bool) -> bool:
        if beyond and not self._in_a_row[name] and step.mode_step > EARLY:
            self._began_late.add(name)
        self._in_a_row[name] = self._in_a_row[name] + 1 if beyond else 0
        return self._in_a_row[name] == PATIENCE and name not in self._began_late

    def missing(self) -> str:
        if self._looked:
            return ""
        return "no inputs of tanh or sigmoid were saved; a network without them has none"

    def _finding(self, step: StepView, name: str, share: float) -> Finding:
        return Finding(
            self.NAME, step.step, step.mode, step.mode_step, name, share, self.parameters.threshold_layer,
            f"{share:.3g} % of {name} is saturated", CAUSE, REMEDY,
        )  # fmt: skip


CAUSE = "the weights before it are too large, or its inputs are not normalised"
REMEDY = Remedy(
    "initialise with smaller weights (Glorot), normalise the inputs, add normalisation before it, or use ReLU or GELU",
    (Change(Knob.LEARNING_RATE, 0.1),),
)
