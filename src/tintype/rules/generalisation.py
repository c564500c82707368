"""How the losses of training and of validation go apart, pass by pass."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from typing import final

import numpy as np

from tintype.rules.loss_history import EvaluationPass, LossHistory, LossSeries
from tintype.rules.trends import Level

LEAST_LOSSES = 5                        # of training, that stand for it at a pass


@final
@dataclass(frozen=True)
class Checkpoint:
    """One pass of validation, and the training that led to it."""

    passed: EvaluationPass
    validation: float                   # mean loss of the pass
    training: float                     # level of the losses of training since the pass before
    error: float                        # standard error of `validation`, from the images being a sample

    @property
    def gap(self) -> float:
        """By how much the loss of validation is higher, as a share of that of training."""
        return (self.validation - self.training) / abs(self.training) if self.training else math.inf


def checkpoints(history: LossHistory, name: str) -> list[Checkpoint]:
    """The passes with loss `name` so far, each with its training; ask when a pass is over."""
    series = history.training.get(name)
    return list(_paired(series, history.evaluation.get(name, []))) if series is not None else []


def _paired(series: LossSeries, passes: list[EvaluationPass]) -> Iterator[Checkpoint]:
    before = 0
    for one in passes:
        end = bisect_left(series.steps, one.first_step)
        values = series.values[max(0, min(before, end - LEAST_LOSSES)) : end]
        before = end
        level = Level.of(values)
        if values and math.isfinite(level.value) and math.isfinite(one.mean):
            yield Checkpoint(one, one.mean, level.value, one.error)


def start_of(history: LossHistory, name: str) -> float:
    """The loss of training at the very start: the level of the first five."""
    return Level.of(history.training[name].values[:LEAST_LOSSES]).value


def clearly_above(newer: EvaluationPass, older: EvaluationPass) -> bool:
    """The mean of `newer` is higher than that of `older` by more than two standard errors of the difference.

    Both passes see the same images, so that batches are compared in pairs where there are as many of them.
    """
    if len(newer.values) == len(older.values) > 1:
        differences = np.subtract(newer.values, older.values)
        error = float(np.std(differences, ddof=1)) / math.sqrt(len(differences))
        return float(np.mean(differences)) > 2 * error
    return newer.mean - older.mean > 2 * math.hypot(newer.error, older.error)
