"""How a range of numbers is spread over the unit interval, on which strategies work.

    Linear                u = (x - low) / (high - low)
    Logarithmic           the same of log(x); needs low > 0
    ReverseLogarithmic    the same of -log(1 - x); needs 0 <= low and high < 1: for a momentum near 1
    Auto                  Logarithmic when low > 0 and high is at least 100 times low, otherwise Linear
"""

from __future__ import annotations

import math
from enum import Enum

AUTO_LOGARITHMIC_RATIO = 100.0  # high / low from which Auto means Logarithmic


class Scaling(Enum):
    """The values are SageMaker's words."""

    AUTO = "Auto"
    LINEAR = "Linear"
    LOGARITHMIC = "Logarithmic"
    REVERSE_LOGARITHMIC = "ReverseLogarithmic"


def resolved(scaling: Scaling, low: float, high: float) -> Scaling:
    """`scaling` with Auto decided for the range from `low` to `high`."""
    if scaling is not Scaling.AUTO:
        return scaling
    wide = low > 0 and high >= low * AUTO_LOGARITHMIC_RATIO * (1 - 1e-12)     # 0.1 is 100 times 0.001, rounding or not
    return Scaling.LOGARITHMIC if wide else Scaling.LINEAR


def from_unit(u: float, low: float, high: float, scaling: Scaling) -> float:
    """The number at `u` in [0, 1] on a scale that is not Auto; 0 gives `low` and 1 gives `high`, exactly."""
    if u <= 0 or u >= 1:
        return low if u <= 0 else high
    if scaling is Scaling.LOGARITHMIC:
        return math.exp(_between(u, math.log(low), math.log(high)))
    if scaling is Scaling.REVERSE_LOGARITHMIC:
        return -math.expm1(_between(u, math.log1p(-low), math.log1p(-high)))
    return _between(u, low, high)


def to_unit(value: float, low: float, high: float, scaling: Scaling) -> float:
    """Where `value` lies in [0, 1] on a scale that is not Auto; the middle when both ends are the same there."""
    if scaling is Scaling.LOGARITHMIC:
        value, low, high = math.log(value), math.log(low), math.log(high)
    elif scaling is Scaling.REVERSE_LOGARITHMIC:
        value, low, high = -math.log1p(-value), -math.log1p(-low), -math.log1p(-high)
    if math.isinf(high - low):
        value, low, high = value / 2, low / 2, high / 2
    return 0.5 if low == high else min(max((value - low) / (high - low), 0.0), 1.0)


def _between(u: float, low: float, high: float) -> float:
    return low * (1 - u) + high * u
