"""The rule AllZero."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, final

import numpy as np

from tintype.debugger.collection import Collection
from tintype.rules.attached import reduced
from tintype.rules.finding import Change, Finding, Knob, Remedy
from tintype.rules.parameters import Parameters, parameter
from tintype.rules.rule import Profile, Rule
from tintype.rules.selection import nothing_named, selected, weights
from tintype.rules.step_view import StepView

if TYPE_CHECKING:
    from tintype.debugger.tensor_log import TensorLog

PATIENCE = 3            # saved steps of training after the first: a layer may begin at zero, and leave it at once


@final
@dataclass(frozen=True)
class AllZeroParameters(Parameters):
    """What AllZero can be told."""

    collection_names: tuple[str, ...] = parameter((), "collections that are looked at")
    tensor_regex: tuple[str, ...] = parameter((), "expressions that find tensors by name")
    threshold: float = parameter(100.0, "percentage of zeros from which a tensor counts as zero", low=0, high=100)


@final
@dataclass
class AllZero(Rule[AllZeroParameters]):
    """A tensor is zero throughout: nothing passes through it, and nothing is learned behind it.

    Fires when at least `threshold` per cent of the elements of a tensor are exactly 0.

    **Needs** whole tensors, or their `zeros`; for the default threshold `min` and `max`, or a norm, will do. Without
    `collection_names` and `tensor_regex` it looks at weights (not biases) that stay zero for three saved steps of
    training after the first.

    **Differs from SageMaker's**, which must be told what to look at. What the user names is judged alike in both
    profiles, at every step; biases, fresh heads and shortcuts that begin at zero on purpose then fire at step 0.
    """

    NAME: ClassVar[str] = "AllZero"
    PARAMETERS: ClassVar[type[Parameters]] = AllZeroParameters
    ATTACHES: ClassVar[tuple[Collection, ...]] = (reduced("weights", "min,max"),)

    parameters: AllZeroParameters = field(default_factory=AllZeroParameters)
    profile: Profile = Profile.RIGHT
    _in_a_row: Counter[str] = field(default_factory=Counter)
    _looked: bool = False

    def check(self, log: TensorLog, step: StepView) -> Iterable[Finding]:
        given = self.parameters
        if not nothing_named(given.tensor_regex, given.collection_names):
            names = selected(step, given.collection_names, given.tensor_regex)
            shares = {name: share for name in names if (share := self._share(step, name)) is not None}
            return [self._finding(step, name, share) for name, share in shares.items() if share >= given.threshold]
        if self.profile is Profile.SAGEMAKER or not step.is_training:
            return ()
        return [finding for name in weights(step) for finding in self._stays(step, name)]

    def _stays(self, step: StepView, name: str) -> Iterable[Finding]:
        share = self._share(step, name)
        if share is None or step.mode_step == 0:
            return
        self._in_a_row[name] = self._in_a_row[name] + 1 if share >= self.parameters.threshold else 0
        if self._in_a_row[name] == PATIENCE:
            yield self._finding(step, name, share)

    def _share(self, step: StepView, name: str) -> float | None:
        share = zero_percent(step, name)
        self._looked = self._looked or share is not None
        return share

    def missing(self) -> str:
        if self._looked:
            return ""
        return "no tensor (nor its share of zeros) that the rule looks at was saved; name some with tensor_regex"

    def _finding(self, step: StepView, name: str, share: float) -> Finding:
        return Finding(
            self.NAME, step.step, step.mode, step.mode_step, name, share, self.parameters.threshold,
            f"{share:.4g} % of {name} is zero", CAUSE, REMEDY,
        )  # fmt: skip


def zero_percent(step: StepView, name: str) -> float | None:
    """The percentage of exact zeros in a tensor, by itself or its reductions; None when neither says.

    Without a stored share, reductions can only tell a tensor of nothing but zeros (100) from others (0).
    """
    value = step.value(name)
    if value is not None:
        return 100.0 * float(np.mean(value == 0)) if value.size else None
    if (share := step.number(name, "zeros")) is not None:
        return 100.0 * share
    norms = [step.number(name, "max", absolute=True), step.number(name, "l2"), step.number(name, "l1")]
    if (norm := next((one for one in norms if one is not None), None)) is not None:
        return 100.0 if norm == 0 else 0.0
    low, high = step.number(name, "min"), step.number(name, "max")
    if low is None or high is None:
        return None
    return 100.0 if low == high == 0 else 0.0


CAUSE = "the layer was initialised with zeros, its units have died, or what it is fed with is empty"
REMEDY = Remedy(
    "initialise the layer (He or Glorot), or load pretrained weights", (Change(Knob.WEIGHTS, value="auto"),)
)
