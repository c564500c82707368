"""The rule GradientNotCleared."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, final

import numpy as np

from tintype.debugger.collection import Collection
from tintype.debugger.naming import LEFT_GRADIENTS
from tintype.rules.attached import reduced
from tintype.rules.finding import Finding, Remedy
from tintype.rules.parameters import Parameters, parameter
from tintype.rules.rule import Profile, Rule
from tintype.rules.step_view import StepView

if TYPE_CHECKING:
    from tintype.debugger.tensor_log import TensorLog

LEFT = 5                                # saved steps in a row at which gradients of earlier ones were left
STEPS = 9                               # in a row, from the first step of the training
GROWING = 7                             # of the 8 moves, those that go up


@final
@dataclass(frozen=True)
class GradientNotClearedParameters(Parameters):
    """What GradientNotCleared can be told."""

    threshold: float = parameter(4.0, "growth of the gradient over the first nine steps", low=1)


@final
@dataclass
class GradientNotCleared(Rule[GradientNotClearedParameters]):
    """Each step adds its gradient to those of all steps before: `optimizer.zero_grad()` is missing.

    The gradient then grows in proportion to the number of steps, and keeps its direction, where that of a sound
    training is of about the same size from one batch to the next. The training first speeds up, then swings wider and
    wider.

    Fires when at five saved steps of training in a row gradients were there already when the first ones of the step
    arrived, after an optimiser's step: what a hook that counts optimiser steps saw itself. In other logs, when over
    the first nine steps the norm of the whole gradient grows by more than `threshold`, at seven of eight moves upwards,
    no faster than in proportion to the steps (faster growth is a divergence, of which LearningRateTooHigh speaks), and
    the means of the gradients of all layers point the same way (median cosine of neighbouring steps above 0.9).

    **Needs** gradients of any five steps, or `l2` and `mean` of them as the optimiser sees them, at the first nine
    steps without a gap. SageMaker has no such rule.
    """

    NAME: ClassVar[str] = "GradientNotCleared"
    PARAMETERS: ClassVar[type[Parameters]] = GradientNotClearedParameters
    ATTACHES: ClassVar[tuple[Collection, ...]] = (reduced("gradients", "mean,l2_norm"),)

    parameters: GradientNotClearedParameters = field(default_factory=GradientNotClearedParameters)
    profile: Profile = Profile.RIGHT
    _norms: list[float] = field(default_factory=list)
    _means: list[dict[str, float]] = field(default_factory=list)
    _broken: bool = False               # a step is missing
    _left: int = 0                      # newest saved steps at which gradients were left
    _said: bool = False

    def check(self, log: TensorLog, step: StepView) -> Iterable[Finding]:
        if not step.is_training or self._said:
            return
        gradients = step.names(collection="gradients")
        if gradients:
            left = step.number(LEFT_GRADIENTS, "mean") or 0.0
            self._left = self._left + 1 if left > 0 else 0
            if self._left == LEFT:
                yield self._finding(
                    step, gradients[0], left, 0.0,
                    f"at {LEFT} saved steps in a row the gradients of the step before were still there",
                )  # fmt: skip
        if not self._said:
            yield from self._watch_growth(step, gradients)

    def _watch_growth(self, step: StepView, gradients: list[str]) -> Iterator[Finding]:
        if self._broken or len(self._norms) == STEPS:
            return
        sizes = {name: step.number(name, "l2") for name in gradients}
        means = {name: step.number(name, "mean") for name in sizes}
        known = [name for name in sizes if sizes[name] is not None and means[name] is not None]
        if not known or step.mode_step != len(self._norms):
            self._broken = step.mode_step > len(self._norms)
            return
        self._norms.append(float(np.sqrt(sum((sizes[name] or 0.0) ** 2 for name in known))))
        self._means.append({name: (means[name] or 0.0) / max(sizes[name] or 0.0, 1e-30) for name in known})
        if len(self._norms) == STEPS and self._accumulates():
            growth = self._norms[-1] / self._norms[0]
            yield self._finding(
                step, known[0], growth, self.parameters.threshold,
                f"in the first {STEPS} steps the gradient grew {growth:.3g} times, step by step, in one direction",
            )  # fmt: skip

    def _finding(self, step: StepView, tensor: str, measured: float, threshold: float, message: str) -> Finding:
        self._said = True
        return Finding(
            self.NAME, step.step, step.mode, step.mode_step, tensor, measured, threshold, message, CAUSE, REMEDY
        )

    def missing(self) -> str:
        if self._said or len(self._norms) == STEPS:
            return ""
        return f"gradients of the first {STEPS} steps are needed, and those of {len(self._norms)} were saved"

    def _accumulates(self) -> bool:
        norms = np.asarray(self._norms)
        if not np.isfinite(norms).all() or norms.min() <= 0:
            return False
        growth, late = norms[-1] / norms[0], norms[-1] / norms[STEPS // 2]
        steady = np.sum(np.diff(norms) > 0) >= GROWING and late < 3
        return bool(steady and self.parameters.threshold < growth < 2.5 * STEPS and self._one_direction() > 0.9)

    def _one_direction(self) -> float:
        names = sorted(set.intersection(*map(set, self._means)))
        vectors = np.array([[means[name] for name in names] for means in self._means])
        lengths = np.maximum(np.linalg.norm(vectors, axis=1), 1e-30)
        return float(np.median((vectors[1:] * vectors[:-1]).sum(axis=1) / (lengths[1:] * lengths[:-1])))


CAUSE = "gradients of earlier steps are still there when the next backward pass adds its own"
REMEDY = Remedy("call optimizer.zero_grad() after each optimizer.step()")
