"""Metrics read from log lines by regular expressions, as SageMaker's `MetricDefinitions` do it.

Each match on a line is one value: the regex's group "value" if it has one, else the first of its groups that took part.
The step is its group "step", else the ordinal of the match. Scripts write "loss: 0.25." too, so a full stop or comma at
the end is dropped. What only other engines read, `(?<value>...)` and `[[:digit:]]`, is read too.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, final

from tintype.errors import InvalidRequest
from tintype.jobs.specification import MetricDefinition
from tintype.records import Measurement

LONG = 2000                 # letters: on a longer line `.*loss.*acc.*` may take for ever, and its time is limited
SEARCH_SECONDS = 1.0        # that a regex may take on such a line


def compiled(definition: MetricDefinition) -> re.Pattern[str]:
    """The definition's regex. `InvalidRequest` when it does not compile or captures nothing.

    `regex` reads more than `re`, which is twice as fast and reads what most ask for.
    """
    try:
        pattern = _as_python(definition.regex) or _other_engine(definition.regex)
    except (re.error, ValueError, RecursionError, OverflowError) as error:
        reason = f"the regex {definition.regex!r} of metric {definition.name!r} does not compile: {error}"
        raise InvalidRequest(f"{reason}; correct it, e.g. 'loss: ([0-9.]+)'") from error
    if not pattern.groups:
        reason = f"the regex {definition.regex!r} of metric {definition.name!r} captures nothing"
        raise InvalidRequest(f"{reason}; put the number in brackets, e.g. 'loss: ([0-9.]+)'")
    return pattern


def _as_python(text: str) -> re.Pattern[str] | None:
    """None when Python reads it otherwise than it was meant, or not at all."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", FutureWarning)           # of [[:digit:]], a set of letters to Python
        try:
            return re.compile(text)
        except (re.error, FutureWarning):
            return None


def _other_engine(text: str) -> Any:
    """By an engine that reads more, and whose searches have a limit. `ValueError` when it cannot read it either."""
    import regex  # 20 ms, and few need it

    try:
        return regex.compile(text)
    except regex.error as error:
        raise ValueError(str(error)) from error


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
            for line in lines:
                if len(line) > LONG or search(line):
                    found += metric.values(line, at)
        return found

    @property
    def unseen(self) -> tuple[str, ...]:
        """A sentence for each metric that has had no value, or that was not looked for on every line, naming it."""
        return tuple(complaint for metric in self._metrics for complaint in metric.complaints)


@dataclass
class _Metric:
    name: str
    pattern: re.Pattern[str]
    count: int = 0              # values so far
    unreadable: str = ""        # the first match that was no number
    slow: bool = False          # its time was up on a long line

    def values(self, line: str, at: float) -> Iterable[Measurement]:
        for match in self._matches(line):
            text = _told(match)
            try:
                value = float(text.strip().rstrip(".,"))
                step = int(match["step"]) if "step" in self.pattern.groupindex else self.count + 1
            except (ValueError, TypeError):
                self.unreadable = self.unreadable or text[:80]
                continue
            self.count += 1
            yield Measurement(self.name, step, value, at)

    def _matches(self, line: str) -> Iterator[Any]:
        if len(line) <= LONG:
            yield from self.pattern.finditer(line)
            return
        if self.slow:
            return
        try:
            yield from _other_engine(self.pattern.pattern).finditer(line, timeout=SEARCH_SECONDS)
        except TimeoutError:
            self.slow = True

    @property
    def complaints(self) -> Iterator[str]:
        if self.slow:
            seconds = f"{SEARCH_SECONDS:g} s on a line of over {LONG:,} letters"
            yield f"metric {self.name!r}: {self.pattern.pattern!r} took over {seconds}; such lines were passed over"
        if self.count:
            return
        if self.unreadable:
            yield f"metric {self.name!r} matched {self.unreadable!r}, which is not a number"
        else:
            yield f"metric {self.name!r} was never seen: no line of the log matched {self.pattern.pattern!r}"


def _told(match: Any) -> str:
    if "value" in match.re.groupindex:
        return match["value"] or ""
    return next((group for group in match.groups() if group is not None), "")
