"""What SageMaker's PoorWeightInitialization takes for signs of one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import final

import numpy as np

from tintype.debugger.reductions import QUANTILES
from tintype.rules.selection import weights
from tintype.rules.step_view import StepView

LOW, HIGH = QUANTILES.index(0.05), QUANTILES.index(0.95)

Sign = tuple[str, float, float, str]                            # tensor, measured, threshold, message


@final
@dataclass
class InitialSigns:
    """Looks at the first steps of a training; remembers the lowest loss."""

    _lowest: dict[str, float] = field(default_factory=dict)
    _without: dict[str, int] = field(default_factory=dict)      # steps since the loss was lower

    def seen(
        self, step: StepView, regexes: Sequence[str], threshold: float, distribution_range: float, patience: int
    ) -> Iterator[Sign]:
        """The signs at `step`: variances that differ, gradients that do not spread, a loss that does not fall."""
        for names in (weights(step), step.names(regexes)):
            yield from _unequal(step, names, threshold)
        for name in step.names(collection="gradients"):
            quantiles = step.distribution(name, "quantiles")
            if quantiles is not None and (width := float(quantiles[HIGH] - quantiles[LOW])) < distribution_range:
                yield name, width, distribution_range, f"{name} spreads by {width:.3g} only, from percentile 5 to 95"
        for name in step.names(collection="losses"):
            if (loss := step.number(name, "mean")) is not None and self._waited(name, loss) >= patience:
                yield name, float(self._without[name]), float(patience), f"{name} has not fallen for {patience} steps"

    def _waited(self, name: str, loss: float) -> int:
        lower = loss < self._lowest.get(name, np.inf)
        self._lowest[name] = min(loss, self._lowest.get(name, np.inf))
        self._without[name] = 0 if lower else self._without.get(name, 0) + 1
        return self._without[name]


def _unequal(step: StepView, names: Sequence[str], threshold: float) -> Iterator[Sign]:
    variances = {name: variance for name in names if (variance := _variance(step, name)) is not None}
    if len(variances) < 2:
        return
    largest, smallest = max(variances, key=variances.__getitem__), min(variances, key=variances.__getitem__)
    ratio = variances[largest] / variances[smallest] if variances[smallest] else np.inf
    if ratio > threshold:
        yield largest, ratio, threshold, f"the variance of {largest} is {ratio:.3g} times that of {smallest}"


def _variance(step: StepView, name: str) -> float | None:
    variance, std = step.number(name, "variance"), step.number(name, "std")
    found = variance if variance is not None else None if std is None else std * std
    return None if found is None or np.isnan(found) else found
