"""Whether a noisy series of numbers really went down: robust levels of windows, and differences in standard errors.

Losses of minibatches jump about. Two single values, which is what SageMaker's rules compare, say next to nothing; the
levels of two windows do, and their spread says how much. A level is a mean without spikes: a loss has them on one side.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np

MAD_TO_SIGMA = 1.4826                   # of a normal distribution
SPIKE = 3.0                             # standard deviations from the median beyond which a value is pulled in
SURE = 4.0                              # standard errors that make a difference certain, with many looks at the data
UPPER = 1.645                           # one-sided 95 % bound of a normal distribution


@final
@dataclass(frozen=True)
class Level:
    """Where a window of values lies: its mean with spikes pulled in, and the standard error of that."""

    value: float
    error: float

    @classmethod
    def of(cls, values: Sequence[float] | np.ndarray) -> Level:
        """The level of the finite ones among `values`; NaN when there is none."""
        array = np.asarray(values, dtype=np.float64)
        array = array[np.isfinite(array)]
        if not array.size:
            return cls(math.nan, math.inf)
        middle = float(np.median(array))
        sigma = MAD_TO_SIGMA * float(np.median(np.abs(array - middle)))
        if sigma > 0:
            array = np.clip(array, middle - SPIKE * sigma, middle + SPIKE * sigma)
        spread = float(np.std(array, ddof=1)) if array.size > 1 else 0.0
        return cls(float(np.mean(array)), spread / math.sqrt(array.size))


@final
@dataclass(frozen=True)
class Drop:
    """By how much one level is below another."""

    amount: float
    error: float

    @classmethod
    def between(cls, before: Level, after: Level) -> Drop:
        """Positive when `after` is lower."""
        return cls(before.value - after.value, math.hypot(before.error, after.error))

    @property
    def certain(self) -> bool:
        """It is a drop beyond doubt."""
        return self.amount > SURE * self.error and self.amount > 0

    @property
    def at_most(self) -> float:
        """With 95 % confidence the drop is not larger than this."""
        return self.amount + UPPER * self.error


def blocks(values: Sequence[float] | np.ndarray, length: int) -> list[Level]:
    """The levels of consecutive blocks of `length` values; an incomplete one at the front is left out."""
    count = len(values) // length
    start = len(values) - count * length
    return [Level.of(values[start + i * length : start + (i + 1) * length]) for i in range(count)]
