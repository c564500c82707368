"""What a search looked for: a metric's name, which way is better, and how its values read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

from tintype.reports.wording import display, number, percent

SHARES = frozenset({"accuracy", "top5", "precision", "recall", "f1"})       # metrics in 0..1 that read best in per cent
SPLIT_WORDS: Mapping[str, str] = {"train": "training", "valid": "validation"}


@final
@dataclass(frozen=True)
class Objective:
    """`name` as trials report it, such as "valid:accuracy" or, from a script's log, "average test loss"."""

    name: str
    maximise: bool

    @property
    def words(self) -> str:
        """`valid:accuracy` as "validation accuracy"."""
        split, colon, metric = self.name.partition(":")
        return display(f"{SPLIT_WORDS.get(split, split)} {metric}" if colon else self.name, 40)

    @property
    def is_share(self) -> bool:
        """Whether values are shares of 1."""
        return self.name.rpartition(":")[2].strip().lower() in SHARES

    def written(self, value: float | None) -> str:
        """A value of the metric as text."""
        return percent(value) if self.is_share else number(value)

    def better(self, one: float, other: float) -> bool:
        """Whether `one` is better than `other`."""
        return one > other if self.maximise else one < other
