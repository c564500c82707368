"""The losses of a run as rules need them: one series per loss of training, one mean per pass of evaluation.

SageMaker's rules compare single losses of evaluation with each other. Within one pass over the validation images the
weights do not change, so that those differ only because the images do; what can be compared is one pass with another.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import final

import numpy as np

from tintype.debugger.modes import Mode
from tintype.debugger.samples import LOSSES
from tintype.rules.step_view import StepView

SAME = 1e-3                             # a loss is the sum of those of the samples; many scripts validate with that


@final
@dataclass
class LossSeries:
    """One loss of training, in the order of steps."""

    mode: Mode                                              # TRAIN, or GLOBAL when the script sets no mode
    steps: list[int] = field(default_factory=list)          # global
    mode_steps: list[int] = field(default_factory=list)
    values: list[float] = field(default_factory=list)       # NaN and infinity included

    def add(self, step: StepView, value: float) -> None:
        """Append the loss at `step`."""
        self.steps.append(step.step)
        self.mode_steps.append(step.mode_step)
        self.values.append(value)


@final
@dataclass
class EvaluationPass:
    """The losses of consecutive evaluation steps, between which nothing was trained."""

    first_step: int                                         # global
    last_step: int
    last_mode_step: int
    training_steps: int                                     # steps of training (and of prediction) before it
    values: list[float] = field(default_factory=list)

    @property
    def mean(self) -> float:
        """The mean over the pass; NaN when a loss was."""
        return float(np.mean(self.values))

    @property
    def error(self) -> float:
        """The standard error of `mean` that comes from the images being a sample; 0 for a pass of one step."""
        return float(np.std(self.values, ddof=1)) / math.sqrt(len(self.values)) if len(self.values) > 1 else 0.0


@final
@dataclass
class LossHistory:
    """Gathers the losses of a run; call `add` for each step."""

    training: dict[str, LossSeries] = field(default_factory=dict)
    evaluation: dict[str, list[EvaluationPass]] = field(default_factory=dict)

    def add(self, step: StepView, names: Iterable[str]) -> list[str]:
        """Take the losses `names` at `step`; returns those that were there."""
        found = [(name, value) for name in names if (value := loss_at(step, name)) is not None]
        for name, value in found:
            if step.is_training:
                self.training.setdefault(name, LossSeries(step.mode)).add(step, value)
            elif step.mode is Mode.EVAL:
                self._evaluate(step, name, value)
        return [name for name, _ in found]

    def _evaluate(self, step: StepView, name: str, value: float) -> None:
        passes = self.evaluation.setdefault(name, [])
        others = step.step - step.mode_step         # steps of other modes before this one: constant within a pass
        if not passes or passes[-1].training_steps != others:
            passes.append(EvaluationPass(step.step, step.step, step.mode_step, others))
        passes[-1].values.append(value)
        passes[-1].last_step, passes[-1].last_mode_step = step.step, step.mode_step


def loss_at(step: StepView, name: str) -> float | None:
    """The loss `name` at `step`, for a sample: the mean when it was kept for each, or summed up; None: not saved."""
    value = step.number(name, "mean")
    if value is None:
        return None
    each = step.value(LOSSES)
    is_sum = each is not None and each.size > 1 and math.isclose(value, float(each.sum()), rel_tol=SAME)
    return float(value) / each.size if each is not None and is_sum else float(value)


def loss_names(step: StepView, regexes: tuple[str, ...], collections: tuple[str, ...], use_losses: bool) -> list[str]:
    """The tensors at `step` that `regexes` or `collections` name, and the losses collection when it is used."""
    wanted = (*collections, "losses") if use_losses else collections
    found = [name for one in wanted for name in step.names(collection=one)]
    found += step.names(regexes) if regexes else []
    return list(dict.fromkeys(found))
