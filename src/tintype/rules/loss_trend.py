"""What is wrong with the course of a loss, judged by levels of windows instead of single losses."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from typing import final

import numpy as np

from tintype.rules.trends import Drop, Level, blocks

LEAST_DROP = 0.04                       # a training that works takes at least this share off its first loss ...
MOST_DROP = 0.06                        # ... and more than this is not asked for, however long it runs
FIRST = 3                               # losses: a training may be over before the first window is
LEARNED = 0.7                           # of their median; a loss that comes below it has fallen
PLATEAU = 0.93                          # a loss that stays above this share of its beginning taught nothing
LONG = 100                              # losses, from which on it is told whether a course comes to an end
STILL = 0.01                            # and lies still when it moves by less than this share of its beginning
NO_SLOWER = 0.8                         # of the fall from one third to the next
FAR_BELOW = 10.0                        # times where it began, or 1: a loss with a lower bound does not come there


class Course(StrEnum):
    """The ways in which a loss can go wrong."""

    FLAT = "does not fall"
    STILL = "stays where it was"
    RISING = "rises"
    CLIMBING = "rises from the first step on"
    BOTTOMLESS = "falls far below zero, and no slower than before"
    NOT_FINITE = "is not a number"


@final
@dataclass(frozen=True)
class Trend:
    """A verdict on a loss. `measured` and `threshold` are percentages of where it began."""

    course: Course
    measured: float
    threshold: float

    @property
    def sentence(self) -> str:
        """The numbers, in words."""
        match self.course:
            case Course.RISING | Course.CLIMBING:
                return f"it is {self.measured:.3g} % above its best level, and {self.threshold:.3g} % are allowed"
            case Course.BOTTOMLESS:
                return f"it has fallen by {self.measured:.3g} % of where it began, or of 1"
            case Course.NOT_FINITE:
                return "most of the newest losses are NaN or infinite"
            case _:
                return f"it fell by {self.measured:.3g} %, where at least {self.threshold:.3g} % were to be expected"


@final
@dataclass(frozen=True)
class TrendLimits:
    """Losses in the least window, the fall asked for in that many steps, and the rise allowed (percentages)."""

    window: int
    diff_percent: float
    increase_percent: float


def judge_trend(values: Sequence[float], limits: TrendLimits) -> Trend | None:
    """What is wrong with `values`, the losses so far in order; None when nothing is. Needs two windows of them."""
    window = limits.window
    if np.mean(~np.isfinite(np.asarray(values[-window:]))) > 0.5:
        return Trend(Course.NOT_FINITE, math.nan, math.inf)
    third = max(window, len(values) // 3)
    first, last = Level.of(values[:third]), Level.of(values[-third:])
    scale = max(abs(Level.of(values[:window]).value), abs(first.value), 1e-12)
    moves = _bottomless(values, third) or _rising(values, scale, limits)
    return moves or _flat(values, first, last, scale, limits) or _still(values, scale)


def _rising(values: Sequence[float], scale: float, limits: TrendLimits) -> Trend | None:
    levels = blocks(values, max(limits.window, len(values) // 5))
    best = min(levels, key=lambda one: one.value)
    rise = Drop.between(levels[-1], best)
    percent = 100 * rise.amount / max(scale, abs(best.value))
    risen = rise.certain and percent > limits.increase_percent
    climbs = all(a.value < b.value for a, b in pairwise(levels))
    return Trend(Course.CLIMBING if climbs else Course.RISING, percent, limits.increase_percent) if risen else None


def _bottomless(values: Sequence[float], third: int) -> Trend | None:
    """Of a loss that has a lower bound the fall slows down."""
    if len(values) < max(LONG, 3 * third) or values[-1] > 0:
        return None
    scale = max(1.0, abs(float(np.median(values[:FIRST]))))
    first, second, last = (one.value for one in blocks(values, third)[-3:])
    keeps_on = second - last > NO_SLOWER * (first - second) > 0
    falls = keeps_on and last < -FAR_BELOW * scale
    percent = 100 * (first - last) / scale
    return Trend(Course.BOTTOMLESS, percent, 100 * FAR_BELOW) if falls else None


def _flat(values: Sequence[float], first: Level, last: Level, scale: float, limits: TrendLimits) -> Trend | None:
    count, drop, begun = len(values), Drop.between(first, last), float(np.median(values[:FIRST]))
    wanted = limits.diff_percent / 100 * count / limits.window
    wanted = min(MOST_DROP, max(LEAST_DROP, wanted))
    flat = drop.at_most < wanted * scale and last.value > LEARNED * begun
    return Trend(Course.FLAT, 100 * drop.amount / scale, 100 * wanted) if flat else None


def _still(values: Sequence[float], scale: float) -> Trend | None:
    if len(values) < LONG:
        return None
    half = values[len(values) // 2 :]
    middle = len(half) // 2
    before, after = Level.of(half[:middle]), Level.of(half[middle:])
    still = after.value > PLATEAU * scale and Drop.between(before, after).at_most < STILL * scale
    return Trend(Course.STILL, 100 * (1 - after.value / scale), 100 * (1 - PLATEAU)) if still else None
