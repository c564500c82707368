"""The rule TensorVariance."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, final

import numpy as np

from tintype.debugger.collection import Collection
from tintype.rules.finding import Finding, Remedy
from tintype.rules.parameters import Parameters, parameter
from tintype.rules.rule import Profile, Rule
from tintype.rules.selection import selected
from tintype.rules.step_view import StepView

if TYPE_CHECKING:
    from tintype.debugger.tensor_log import TensorLog


@final
@dataclass(frozen=True)
class TensorVarianceParameters(Parameters):
    """What TensorVariance can be told."""

    collection_names: tuple[str, ...] = parameter((), "collections that are looked at")
    tensor_regex: tuple[str, ...] = parameter((), "expressions that find tensors by name")
    max_threshold: float | None = parameter(None, "a larger variance fires", low=0)
    min_threshold: float | None = parameter(None, "a smaller variance fires", low=0)


@final
@dataclass
class TensorVariance(Rule[TensorVarianceParameters]):
    """The variance of a tensor is outside a range that the user gives.

    Weights or activations that spread ever wider are on the way to overflow; those whose spread shrinks carry no
    information. There is no range that is right for all tensors, so that without `max_threshold` or `min_threshold`,
    and without naming tensors, there is nothing to judge.

    Fires when the variance of a tensor is above `max_threshold` or below `min_threshold`.

    **Needs** whole tensors, or their `variance` or `std`.

    **Differs from SageMaker's** in the variance of few elements: ours divides by n - 1, as PyTorch does and as its
    hook stores it; theirs divides by n when it has to compute what was not stored. Scalars have none.
    """

    NAME: ClassVar[str] = "TensorVariance"
    PARAMETERS: ClassVar[type[Parameters]] = TensorVarianceParameters
    ATTACHES: ClassVar[tuple[Collection, ...]] = ()

    parameters: TensorVarianceParameters = field(default_factory=TensorVarianceParameters)
    profile: Profile = Profile.RIGHT
    _looked: bool = False

    def check(self, log: TensorLog, step: StepView) -> Iterable[Finding]:
        given = self.parameters
        if given.max_threshold is None and given.min_threshold is None:
            return ()
        names = selected(step, given.collection_names, given.tensor_regex)
        return [found for name in names for found in self._outside(step, name)]

    def _outside(self, step: StepView, name: str) -> Iterable[Finding]:
        variance = self._variance(step, name)
        if variance is None:
            return
        self._looked = True
        high, low = self.parameters.max_threshold, self.parameters.min_threshold
        if high is not None and variance > high:
            yield self._finding(step, name, variance, high, "above")
        if low is not None and variance < low:
            yield self._finding(step, name, variance, low, "below")

    def _variance(self, step: StepView, name: str) -> float | None:
        value = step.value(name)
        if value is not None and self.profile is Profile.SAGEMAKER:
            return float(np.var(value))
        variance = step.number(name, "variance")
        if variance is None and (std := step.number(name, "std")) is not None:
            variance = std * std
        return None if variance is None or np.isnan(variance) else variance

    def missing(self) -> str:
        if self._looked:
            return ""
        given = self.parameters
        if given.max_threshold is None and given.min_threshold is None:
            return "neither max_threshold nor min_threshold was given"
        return "no tensor (nor its variance) that tensor_regex or collection_names name was saved"

    def _finding(self, step: StepView, name: str, variance: float, limit: float, side: str) -> Finding:
        return Finding(
            self.NAME, step.step, step.mode, step.mode_step, name, variance, limit,
            f"the variance of {name} is {variance:.4g}, {side} {limit:.4g}", CAUSES[side], REMEDY,
        )  # fmt: skip


CAUSES = {
    "above": "values spread further than the given range: initialisation or updates are too large",
    "below": "values lie closer together than the given range: initialisation is too small, or units have saturated",
}
REMEDY = Remedy("normalise what the layer is fed with, or change how it is initialised")
