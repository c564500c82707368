"""The rule UnchangedTensor."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, final

import numpy as np

from tintype.debugger.collection import Collection
from tintype.rules.attached import reduced
from tintype.rules.finding import Finding, Remedy
from tintype.rules.frozen_weights import FrozenWeights
from tintype.rules.parameters import Parameters, parameter
from tintype.rules.rule import Profile, Rule
from tintype.rules.selection import nothing_named, selected
from tintype.rules.step_view import Array, StepView

if TYPE_CHECKING:
    from tintype.debugger.tensor_log import TensorLog

OPS = (("min", False), ("max", False), ("mean", False), ("std", False), ("mean", True), ("l2", False), ("zeros", False))


@final
@dataclass(frozen=True)
class UnchangedTensorParameters(Parameters):
    """What UnchangedTensor can be told."""

    collection_names: tuple[str, ...] = parameter((), "collections that are looked at")
    tensor_regex: tuple[str, ...] = parameter((), "expressions that find tensors by name")
    num_steps: int = parameter(3, "saved steps over which the tensor must have changed", low=2)
    rtol: float = parameter(1e-5, "relative tolerance of numpy.allclose", low=0)
    atol: float = parameter(1e-8, "absolute tolerance of numpy.allclose", low=0)
    equal_nan: bool = parameter(False, "NaN equals NaN")


@final
@dataclass
class UnchangedTensor(Rule[UnchangedTensorParameters]):
    """A tensor does not change any more, or never did.

    Of tensors that the user names: fires when `numpy.allclose` holds between each two neighbours of the newest
    `num_steps` saved values. It fires again only after the tensor has changed.

    When nothing is named, weights are judged that should learn and do not. Fires when over the whole training, or its
    first 50 steps, a weight

    - has gradients and has not changed in a single bit: the optimiser does not have it among its parameters,
    - or has neither gradients nor changes although weights before it learn, and such weights are the fewer: the loss
      does not depend on it (the wrong output was taken). What is frozen on purpose comes first, or is more, or is
      the scales of normalisations and nothing else.

    **Needs** whole tensors, or some of `min`, `max`, `mean`, `std`, `abs_mean`, `l2_norm`, `zeros`, which must then be
    equal within the tolerances (for weights: to the last bit).

    **Differs from SageMaker's**, which must be told what to look at, with whole tensors. What the user names is judged
    alike in both profiles, but that the profile `sagemaker` fires at every step at which the condition holds.
    """

    NAME: ClassVar[str] = "UnchangedTensor"
    PARAMETERS: ClassVar[type[Parameters]] = UnchangedTensorParameters
    ATTACHES: ClassVar[tuple[Collection, ...]] = (
        reduced("weights", "min,max,mean,std"),
        reduced("gradients", "abs_mean"),
    )

    parameters: UnchangedTensorParameters = field(default_factory=UnchangedTensorParameters)
    profile: Profile = Profile.RIGHT
    _last: dict[str, Array] = field(default_factory=dict)
    _alike: dict[str, int] = field(default_factory=dict)        # values in a row that are close, the newest included
    _weights: FrozenWeights = field(default_factory=FrozenWeights)
    _looked: bool = False
    _told: bool = False

    def check(self, log: TensorLog, step: StepView) -> Iterable[Finding]:
        given = self.parameters
        if not nothing_named(given.tensor_regex, given.collection_names):
            names = selected(step, given.collection_names, given.tensor_regex)
            return [self._unchanged(step, name) for name in names if self._fires(step, name)]
        if self.profile is Profile.RIGHT and step.is_training:
            self._weights.add(step)
            if self._weights.enough and not self._told:
                return self._idle(log)
        return ()

    def conclude(self, log: TensorLog) -> Iterable[Finding]:
        judged = self._weights.steps >= self.parameters.num_steps and not self._told
        return self._idle(log) if judged else ()

    def _fires(self, step: StepView, name: str) -> bool:
        now = _image(step, name)
        if now is None:
            return False
        self._looked = True
        before, given = self._last.get(name), self.parameters
        close = before is not None and before.shape == now.shape and np.allclose(
            now, before, rtol=given.rtol, atol=given.atol, equal_nan=given.equal_nan
        )
        self._alike[name] = self._alike.get(name, 1) + 1 if close else 1
        self._last[name] = now
        count = self._alike[name]
        return count == given.num_steps or (count > given.num_steps and self.profile is Profile.SAGEMAKER)

    def _idle(self, log: TensorLog) -> list[Finding]:
        self._told = True
        return [
            Finding(self.NAME, self._weights.step, self._weights.mode, self._weights.mode_step, name, 0.0, 0.0,
                    message, cause, REMEDY)
            for name, message, cause in self._weights.idle(log)
        ]  # fmt: skip

    def missing(self) -> str:
        given = self.parameters
        if not nothing_named(given.tensor_regex, given.collection_names):
            return "" if self._looked else "no tensor that tensor_regex or collection_names name was saved"
        if self._told or self._weights.steps >= given.num_steps:
            return ""
        return f"weights of {given.num_steps} steps of training are needed, and {self._weights.steps} were saved"

    def _unchanged(self, step: StepView, name: str) -> Finding:
        count = self._alike[name]
        return Finding(
            self.NAME, step.step, step.mode, step.mode_step, name, float(count), float(self.parameters.num_steps),
            f"{name} has not changed over {count} saved steps", "nothing that it is made from changes", REMEDY,
        )  # fmt: skip


def _image(step: StepView, name: str) -> Array | None:
    """The tensor, or those of its reductions that there are, for comparison."""
    value = step.value(name)
    if value is not None:
        return value if value.dtype.kind in "biufc" else None
    numbers = [number for op, absolute in OPS if (number := step.number(name, op, absolute=absolute)) is not None]
    return np.asarray(numbers) if numbers else None


REMEDY = Remedy(
    "check requires_grad, that the optimiser was made of this model's parameters, and which output the loss is taken of"
)
