"""Values over time as CloudWatch sums them up: in periods, by statistics. Pure."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from statistics import fmean
from typing import NamedTuple, final

from tintype.errors import InvalidRequest

STATISTICS = ("SampleCount", "Average", "Sum", "Minimum", "Maximum")
PERCENTILE = re.compile(r"p(\d{1,2}(?:\.\d+)?|100)")


class Point(NamedTuple):
    """One value that was measured. Times are seconds since the epoch."""

    at: float
    value: float


@final
@dataclass(frozen=True)
class Bin:
    """The values of one period, which begins at `at`. There is at least one."""

    at: float
    values: tuple[float, ...]

    def statistic(self, name: str) -> float:
        """One of `STATISTICS`, or a percentile such as p90. `InvalidRequest` for any other."""
        match name:
            case "SampleCount":
                return float(len(self.values))
            case "Average":
                return fmean(self.values)
            case "Sum":
                return math.fsum(self.values)
            case "Minimum":
                return min(self.values)
            case "Maximum":
                return max(self.values)
            case _:
                return _percentile(name, sorted(self.values))


def in_periods(points: Iterable[Point], start: float, end: float, period: int) -> list[Bin]:
    """The periods that have a value, oldest first. They begin at whole multiples; the first one holds `start`."""
    first = math.floor(start / period) * period
    found: dict[float, list[float]] = {}
    for point in points:
        if first <= point.at < end and math.isfinite(point.value):
            found.setdefault(math.floor(point.at / period) * period, []).append(point.value)
    return [Bin(at, tuple(values)) for at, values in sorted(found.items())]


def dimensions_of(given: Iterable[Mapping[str, str]] | None) -> dict[str, str]:
    """Dimensions by their names."""
    return {one["Name"]: one["Value"] for one in given or ()}


def _percentile(name: str, values: list[float]) -> float:
    found = PERCENTILE.fullmatch(name)
    if found is None:
        raise InvalidRequest(f"the statistic {name!r} is not one of {', '.join(STATISTICS)}, or a percentile like p90")
    place = float(found[1]) / 100 * (len(values) - 1)
    low, share = math.floor(place), place - math.floor(place)
    return values[low] + share * (values[min(low + 1, len(values) - 1)] - values[low])
