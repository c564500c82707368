"""Metrics read from log lines by regular expressions, as SageMaker's `MetricDefinitions` do it.

Each match on a line is one value: the regex's group "value" if it has one, else its first group. The step is its group
"step", else the ordinal of the match. Scripts write "loss: 0.25." too, so a full stop or comma at the end is dropped.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import final

from tintype.errors import InvalidRequest
from tintype.jobs.specification import MetricDefinition
from tintype.records import Measurement


def compiled(definition: MetricDefinition) -> re.Pattern[str]:
    """The definition's regex. `InvalidRequest` when it does not compile or captures nothing."""
    try:
        pattern = re.compile(definition.regex)
    except (re.error, RecursionError, OverflowError) as error:
        reason = f"the regex {definition.regex!r} of metric {definition.name!r} does not compile: {error}"
        raise InvalidRequest(f"{reason}; correct it, e.g. 'loss: ([0-9.]+)'") from error
    if not pattern.groups:
        reason = f"the regex {definition.regex!r} of metric {definition.name!r} captures nothing"
        raise InvalidRequest(f"{reason}; put the number in brackets, e.g. 'loss: ([0-9.]+)'")
    return pattern


@final
class MetricScraper:
    """Turns lines into measurements and knows which metrics were never seen."""

    def __init__(self, definitions: Iterable[MetricDefinition]) -> None:
        self._metrics = [_Metric(one.name, compiled(one)) for one in definitions]

    def scrape(self, lines: Sequence[str], at: float) -> list[Measurement]:
        """The values on `lines`, in their order for each metric. `at`: seconds since the epoch."""
        found: list[Measurement] = []
        for metric in self._metrics:
            search = metric.pattern.search
            for line in [line for line in lines if search(line)]:
                found += metric.values(line, at)
        return found

    @property
    def unseen(self) -> tuple[str, ...]:
        """A sentence for each metric that has had no value, naming it."""
        return tuple(metric.complaint for metric in self._metrics if not metric.count)


@dataclass
class _Metric:
    name: str
    pattern: re.Pattern[str]
    count: int = 0              # values so far
    unreadable: str = ""        # the first match that was no number

    def values(self, line: str, at: float) -> Iterable[Measurement]:
        for match in self.pattern.finditer(line):
            text = match["value" if "value" in self.pattern.groupindex else 1] or ""
            try:
                value = float(text.strip().rstrip(".,"))
                step = int(match["step"]) if "step" in self.pattern.groupindex else self.count + 1
            except (ValueError, TypeError):
                self.unreadable = self.unreadable or text[:80]
                continue
            self.count += 1
            yield Measurement(self.name, step, value, at)

    @property
    def complaint(self) -> str:
        if self.unreadable:
            return f"metric {self.name!r} matched {self.unreadable!r}, which is not a number"
        return f"metric {self.name!r} was never seen: no line of the log matched {self.pattern.pattern!r}"
