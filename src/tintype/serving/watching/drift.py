"""Has the world changed? Distributions of now against those of before: the population stability index, and when to
believe it. Pure.

The index of two histograms with shares p (now) and q (before) is sum((p - q) ln(p / q)): below 0.1 nothing has changed,
above 0.2 something has (the usual reading). Of few requests it is large by chance alone: when nothing has changed it
is distributed like chi-square with bins - 1 degrees of freedom times (1/n + 1/m) (Yurdakul and Naranjo, 2020). So a
drift is one only when the index is above both 0.2 and what chance explains, and from `FEWEST` requests on.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any, final

FEWEST = 50                 # requests: the index of fewer is shown as unknown
CHANGED = 0.2
CHANCE = 1e-4               # how often unchanged requests may look changed; it is looked at again and again
SMOOTHING = 0.5             # added to each bin's count, so that an empty one has a logarithm


@final
@dataclass(frozen=True)
class Reference:
    """What requests are compared with."""

    counts: Mapping[str, float]     # bin -> how many pictures
    origin: str                     # "validation" or "the first 200 requests"


@final
@dataclass(frozen=True)
class Drift:
    """How far one distribution is from its reference."""

    name: str                       # "prediction" or "brightness"
    pictures: int                   # that it was computed from
    index: float | None             # population stability index; None: too few pictures, or no reference yet
    threshold: float                # a larger index is a drift
    origin: str                     # of the reference
    largest: str = ""               # the bin that changed most, and how

    @property
    def is_drift(self) -> bool:
        """There is a drift, and it is not chance."""
        return self.index is not None and self.index > self.threshold

    def to_json(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {
            "name": self.name,
            "pictures": self.pictures,
            "index": None if self.index is None else round(self.index, 4),
            "threshold": round(self.threshold, 4),
            "reference": self.origin,
            "drift": self.is_drift,
            "largest": self.largest,
        }


def measure(name: str, counts: Mapping[str, float], reference: Reference | None) -> Drift:
    """How far the pictures counted by bin are from the reference."""
    pictures = int(sum(counts.values()))
    if reference is None:
        return Drift(name, pictures, None, CHANGED, "")
    if pictures < FEWEST:
        return Drift(name, pictures, None, CHANGED, reference.origin)
    bins = sorted({*counts, *reference.counts})
    now = _shares([counts.get(one, 0.0) for one in bins])
    before = _shares([reference.counts.get(one, 0.0) for one in bins])
    parts = [(p - q) * math.log(p / q) for p, q in zip(now, before, strict=True)]
    threshold = max(CHANGED, index_by_chance(len(bins), pictures, sum(reference.counts.values())))
    most = max(range(len(bins)), key=parts.__getitem__)
    largest = f"{bins[most]}: {before[most]:.0%} before, {now[most]:.0%} now"
    return Drift(name, pictures, sum(parts), threshold, reference.origin, largest)


def index_by_chance(bins: int, now: float, before: float) -> float:
    """The index that unchanged pictures exceed once in 1 / `CHANCE` times."""
    if bins < 2 or now <= 0 or before <= 0:
        return 0.0
    return chi_square_quantile(bins - 1, 1 - CHANCE) * (1 / now + 1 / before)


def chi_square_quantile(freedom: int, probability: float) -> float:
    """By Wilson and Hilferty's approximation, good to 1 % for what it is used for."""
    ninth = 2 / (9 * freedom)
    return freedom * (1 - ninth + NormalDist().inv_cdf(probability) * math.sqrt(ninth)) ** 3


def _shares(counts: Sequence[float]) -> list[float]:
    total = sum(counts) + SMOOTHING * len(counts)
    return [(one + SMOOTHING) / total for one in counts]
