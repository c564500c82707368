"""One variant's pictures, counted: what it sees and says lately, against validation or against its first requests."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping
from typing import Any, final

from tintype.datasets.brightness import brightness_bin
from tintype.serving.front.invocation import Answer
from tintype.serving.watching.drift import Drift, Reference, measure

BASELINE = 200              # pictures that make the reference when the archive has none
BINS = 12                   # that a figure shows
WINDOW = 1000               # pictures that are "lately"


@final
class Watched:
    """One distribution over time."""

    def __init__(self, name: str, reference: Reference | None) -> None:
        self._name = name
        self._reference = reference
        self._first: Counter[str] = Counter()
        self._window: deque[str] = deque()
        self._counts: Counter[str] = Counter()

    def see(self, bin: str) -> None:
        """One more picture."""
        if self._reference is None:
            self._first[bin] += 1
            if self._first.total() >= BASELINE:
                self._reference = Reference(dict(self._first), f"the first {BASELINE} pictures")
            return
        self._window.append(bin)
        self._counts[bin] += 1
        if len(self._window) > WINDOW:
            gone = self._window.popleft()
            self._counts[gone] -= 1
            if not self._counts[gone]:
                del self._counts[gone]

    @property
    def drift(self) -> Drift:
        """As of now."""
        return measure(self._name, self._counts, self._reference)

    def facts(self) -> dict[str, Any]:
        """The drift, and the shares of the largest bins before and now, 0 to 1, for a figure."""
        before, now = self.before, self.now
        bins = sorted({*before, *now}, key=lambda bin: max(_share(before, bin), _share(now, bin)), reverse=True)[:BINS]
        shown = [{"bin": bin, "before": _share(before, bin), "now": _share(now, bin)} for bin in sorted(bins)]
        return {**self.drift.to_json(), "bins": shown, "learning": self._first.total() if not before else 0}

    @property
    def now(self) -> Mapping[str, int]:
        """Pictures by bin, lately."""
        return dict(self._counts or self._first)

    @property
    def before(self) -> Mapping[str, float]:
        """Pictures by bin, of the reference; empty while there is none."""
        return dict(self._reference.counts) if self._reference else {}


@final
class DriftWatch:
    """What one variant was shown and what it said. One event loop uses it."""

    def __init__(self, references: Mapping[str, Reference] | None = None) -> None:
        """`references` are those of the archive, by the names "prediction" and "brightness"; see `references_of`."""
        given = references or {}
        self.watched = {name: Watched(name, given.get(name)) for name in ("prediction", "brightness")}

    def see(self, answer: Answer) -> None:
        """One more answer. Those that say nothing of their pictures (a user's own script) count for nothing."""
        for one in answer.classified:
            self.watched["prediction"].see(one.label)
        for brightness in answer.brightness:
            self.watched["brightness"].see(brightness_bin(brightness))

    def drifts(self) -> list[Drift]:
        """Both distributions, as of now."""
        return [one.drift for one in self.watched.values()]

    def facts(self) -> list[dict[str, Any]]:
        """Of both distributions."""
        return [one.facts() for one in self.watched.values()]


def _share(counts: Mapping[str, float], bin: str) -> float:
    return counts.get(bin, 0.0) / (sum(counts.values()) or 1.0)


def references_of(metrics: Mapping[str, Mapping[str, float | None]]) -> dict[str, Reference]:
    """The references among an archive's metrics: "valid.prediction" and "valid.brightness" count pictures by bin."""
    found: dict[str, Reference] = {}
    for name in ("prediction", "brightness"):
        counts = {bin: count for bin, count in metrics.get(f"valid.{name}", {}).items() if count is not None}
        if sum(counts.values()) > 0:
            found[name] = Reference(counts, "validation")
    return found
