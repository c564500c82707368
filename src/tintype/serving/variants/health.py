"""How a model has been doing lately: the outcomes of its last requests, and what they add up to."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import final

WINDOW_SECONDS = 60.0
MOST_OUTCOMES = 2000        # a window holds no more, so that a fast endpoint costs no memory


@final
@dataclass(frozen=True)
class Outcome:
    """One request that has been answered, or not."""

    at: float                       # time.monotonic() of the answer
    seconds: float                  # from the request's arrival at the model to its answer
    failed: bool = False            # the model's fault: 5xx, no answer, no room; never the caller's
    phases: Mapping[str, float] = field(default_factory=dict)


@final
@dataclass(frozen=True)
class Health:
    """What a window of outcomes adds up to. Seconds are 0 when nothing was answered."""

    requests: int = 0
    errors: int = 0
    p50: float = 0.0                # seconds, of the requests that were answered
    p99: float = 0.0
    p99_at_least: float = 0.0       # the lower end of its confidence interval: few requests prove little

    @property
    def error_rate(self) -> float:
        """0 to 1; 0 when there were no requests."""
        return self.errors / self.requests if self.requests else 0.0


@final
class Window:
    """The outcomes of the last minute. One event loop uses it."""

    def __init__(self, seconds: float = WINDOW_SECONDS) -> None:
        self._seconds = seconds
        self._outcomes: deque[Outcome] = deque(maxlen=MOST_OUTCOMES)
        self.requests = 0           # since the start
        self.errors = 0

    def add(self, outcome: Outcome) -> None:
        """One more."""
        self._outcomes.append(outcome)
        self.requests += 1
        self.errors += outcome.failed

    def health(self, now: float, since: float = float("-inf")) -> Health:
        """Of the outcomes in the window, none of them older than `since`."""
        return health_of([self], now, since)

    def phases(self, now: float) -> dict[str, tuple[float, float]]:
        """Seconds at p50 and p99 by the name of the phase, in the order in which a request goes through them."""
        by_name: dict[str, list[float]] = {}
        for one in self.recent(now):
            for name, seconds in one.phases.items():
                by_name.setdefault(name, []).append(seconds)
        ranked = {name: sorted(values) for name, values in by_name.items()}
        return {name: (percentile(values, 0.5), percentile(values, 0.99)) for name, values in ranked.items()}

    def recent(self, now: float, since: float = float("-inf")) -> list[Outcome]:
        """The outcomes themselves, oldest first."""
        while self._outcomes and self._outcomes[0].at < now - self._seconds:
            self._outcomes.popleft()
        return [one for one in self._outcomes if one.at >= since]


def health_of(windows: Iterable[Window], now: float, since: float = float("-inf")) -> Health:
    """What several windows add up to, of the outcomes that are no older than `since`."""
    recent = [outcome for window in windows for outcome in window.recent(now, since)]
    answered = sorted(one.seconds for one in recent if not one.failed)
    errors = len(recent) - len(answered)
    p99, at_least = percentile(answered, 0.99), lowest_percentile(answered, 0.99)
    return Health(len(recent), errors, percentile(answered, 0.5), p99, at_least)


def percentile(ranked: Sequence[float], share: float) -> float:
    """The smallest value that `share` of the ascending values do not exceed; 0 for none."""
    return ranked[max(0, math.ceil(share * len(ranked)) - 1)] if ranked else 0.0


def lowest_percentile(ranked: Sequence[float], share: float, z: float = 1.96) -> float:
    """What that percentile is at least, with 97.5 % certainty for z 1.96: an order statistic; 0 for too few values."""
    place = math.floor(share * len(ranked) - z * math.sqrt(len(ranked) * share * (1 - share)))
    return ranked[place - 1] if place >= 1 else 0.0


def lowest_rate(errors: int, requests: int, z: float = 1.96) -> float:
    """The lower end of Wilson's interval for a rate: what it is at least, with 97.5 % certainty for z 1.96."""
    if errors == 0:                             # the formula gives 0 as well, but for what rounding leaves
        return 0.0
    rate, spread = errors / requests, z * z / requests
    middle = rate + spread / 2
    margin = z * math.sqrt(rate * (1 - rate) / requests + spread / (4 * requests))
    return max(0.0, (middle - margin) / (1 + spread))
