"""Scales: from a value to a place between 0 and 1, and the ticks that say so."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol, final

from tintype.reports.wording import display, number


@dataclass(frozen=True)
class Tick:
    """A mark at `position` (0..1 along the axis)."""

    position: float
    label: str


class Scale(Protocol):
    """What an axis needs to know."""

    def position(self, value: float) -> float:
        """Where `value` is: 0..1 along the axis, or outside of that."""
        ...

    def ticks(self, wanted: int = 5) -> tuple[Tick, ...]:
        """About `wanted` ticks."""
        ...


@final
@dataclass(frozen=True)
class Linear:
    """Equal steps are equal lengths. With `whole`, only whole numbers get a tick; with `percents`, 0.5 reads 50%."""

    low: float
    high: float
    whole: bool = False
    percents: bool = False

    def position(self, value: float) -> float:
        """Where `value` is; outside 0..1 when it is outside the scale. The middle of a scale without length."""
        return (value - self.low) / (self.high - self.low) if self.high > self.low else 0.5

    def ticks(self, wanted: int = 5) -> tuple[Tick, ...]:
        """About `wanted` round numbers."""
        if not self.high > self.low:
            return (Tick(0.5, self._label(self.low)),)
        step = round_step((self.high - self.low) / wanted, self.whole)
        first = math.ceil(self.low / step - 1e-9)
        last = math.floor(self.high / step + 1e-9)
        return tuple(Tick(self.position(n * step), self._label(n * step)) for n in range(first, last + 1))

    def _label(self, value: float) -> str:
        return f"{number(100 * value, 3)}%" if self.percents else number(value)


@final
@dataclass(frozen=True)
class Logarithmic:
    """Equal ratios are equal lengths. Both ends are above 0."""

    low: float
    high: float

    def position(self, value: float) -> float:
        """Where `value` is; outside 0..1 when it is outside the scale. The middle of a scale without length."""
        return math.log(value / self.low) / math.log(self.high / self.low) if self.high > self.low else 0.5

    def ticks(self, wanted: int = 5) -> tuple[Tick, ...]:
        """Powers of ten, with 2 and 5 between them when those are few."""
        lowest, highest = math.floor(math.log10(self.low)), math.ceil(math.log10(self.high))
        for digits in ((1,), (1, 3), (1, 2, 5), tuple(range(1, 10))):
            values = [d * 10.0**e for e in range(lowest, highest + 1) for d in digits]
            inside = [one for one in values if self.low * (1 - 1e-9) <= one <= self.high * (1 + 1e-9)]
            if len(inside) >= min(wanted, 3):
                break
        stride = max(1, math.ceil(len(inside) / (wanted + 2)))
        return tuple(Tick(self.position(one), number(one, 2)) for one in inside[::stride])


@final
@dataclass(frozen=True)
class Bands:
    """One place per name, in order; a value is the index of a name."""

    names: tuple[str, ...]

    def position(self, value: float) -> float:
        """The middle of band `value`, which may have a fraction to be off the middle."""
        return (value + 0.5) / len(self.names)

    def ticks(self, wanted: int = 12) -> tuple[Tick, ...]:
        """The names; not all of them when they are many."""
        stride = max(1, math.ceil(len(self.names) / wanted))
        limit = max(4, 44 // min(len(self.names), wanted))
        return tuple(Tick(self.position(n), display(self.names[n], limit)) for n in range(0, len(self.names), stride))



def around(
    values: Iterable[float], *, floor: float | None = None, ceiling: float | None = None, percents: bool = False
) -> Linear:
    """A linear scale with a little air around the finite ones of `values`, never beyond `floor` and `ceiling`."""
    finite = [one for one in values if math.isfinite(one)]
    low, high = (min(finite), max(finite)) if finite else (0.0, 1.0)
    air = 0.06 * (high - low) or 0.1 * abs(high) or 0.5
    low, high = low - air, high + air
    if floor is not None:
        low = max(low, floor)
    if ceiling is not None:
        high = min(high, ceiling)
    return Linear(low, high, percents=percents) if high > low else Linear(low - air, low + air, percents=percents)


def round_step(rough: float, whole: bool = False) -> float:
    """The nearest of 1, 2, 5 times a power of ten that is at least about `rough`; at least 1 when `whole`."""
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(one * power for one in (1, 2, 5, 10) if one * power >= rough * 0.8)
    return max(1.0, step) if whole else step

