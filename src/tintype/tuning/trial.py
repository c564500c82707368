"""A trial: one choice of hyperparameters and what came of it. Frozen; every change makes a new one.

    IN_PROGRESS ──→ COMPLETED             trained to the end, and its objective was seen
         │   └────→ FAILED                crashed, or its objective was never seen or is not a number
         ├────────→ STOPPING ──→ any end  asked to stop; it may still reach another end first
         └────────→ STOPPED               by early stopping, by a completion criterion, or with the tuning job

A trial whose coordinator died, and one that was stopped together with its tuning job (`interrupted`), begins again
under the same name and number when the tuning job goes on. No other trial that has ended ever changes.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from enum import Enum
from typing import Any, TypeAlias, final

from tintype.errors import Conflict
from tintype.tuning.ranges import Value

History: TypeAlias = tuple[tuple[int, float], ...]      # (step, value), in the order in which they were reported


class TrialStatus(Enum):
    """The values are the words that SageMaker uses for a training job."""

    IN_PROGRESS = "InProgress"
    STOPPING = "Stopping"
    COMPLETED = "Completed"
    FAILED = "Failed"
    STOPPED = "Stopped"

    @property
    def is_finished(self) -> bool:
        """Whether the trial has ended."""
        return not NEXT[self]


NEXT: dict[TrialStatus, frozenset[TrialStatus]] = {
    TrialStatus.IN_PROGRESS: frozenset(
        {TrialStatus.STOPPING, TrialStatus.COMPLETED, TrialStatus.FAILED, TrialStatus.STOPPED}
    ),
    TrialStatus.STOPPING: frozenset({TrialStatus.COMPLETED, TrialStatus.FAILED, TrialStatus.STOPPED}),
    TrialStatus.COMPLETED: frozenset(),
    TrialStatus.FAILED: frozenset(),
    TrialStatus.STOPPED: frozenset(),
}


@final
@dataclass(frozen=True)
class Trial:
    """One trial as it is now. Times are seconds since the epoch, UTC."""

    number: int                                     # from 1, in the order in which trials were suggested
    name: str                                       # <tuning job>-NNN-<8 hex>, unique
    hyperparameters: Mapping[str, Value]            # all that it is trained with: the fixed ones, then the tuned ones
    tuned: tuple[str, ...]                          # which of them were suggested
    status: TrialStatus = TrialStatus.IN_PROGRESS
    value: float | None = None                      # of the objective; known when it has ended, never NaN
    history: History = ()                           # of the objective
    metrics: Mapping[str, float] = field(default_factory=dict)      # the newest value of every metric it reported
    reason: str = ""                                # why it failed or was stopped
    interrupted: bool = False                       # stopped with its tuning job; begins again when that goes on
    attempt: int = 1                                # how many times it was begun
    started_at: float = 0.0
    ended_at: float | None = None
    result: Mapping[str, Any] | None = None         # whatever JSON the runner gave at the end

    @property
    def suggested(self) -> dict[str, Value]:
        """The tuned hyperparameters alone."""
        return {name: self.hyperparameters[name] for name in self.tuned}

    @property
    def is_running(self) -> bool:
        """Whether it has begun and not ended."""
        return not self.status.is_finished

    def begun_again(self, at: float) -> Trial:
        """The same trial from the start, after its coordinator died or its tuning job was stopped.

        `Conflict` for a trial that has ended by itself.
        """
        if not (self.is_running or self.interrupted):
            raise Conflict(f"trial {self.name!r} is {self.status.value}; it must not run again")
        blank = Trial(self.number, self.name, self.hyperparameters, self.tuned)
        return replace(blank, attempt=self.attempt + 1, started_at=at)

    def reported(self, metrics: Mapping[str, float], points: Iterable[tuple[int, float]]) -> Trial:
        """With newer `metrics`, and `points` of the objective as (step, value) behind its history."""
        return replace(self, metrics={**self.metrics, **metrics}, history=(*self.history, *points))

    def stopping(self, reason: str) -> Trial:
        """Asked to stop. `Conflict` when it has ended."""
        return self._moved(TrialStatus.STOPPING, reason=reason)

    def ended(self, status: TrialStatus, at: float, *, value: float | None = None, reason: str = "") -> Trial:
        """Ended as `status`. `Conflict` when it has already."""
        return self._moved(status, reason=reason, value=value, ended_at=at)

    def _moved(self, status: TrialStatus, **changes: Any) -> Trial:
        if status not in NEXT[self.status]:
            raise Conflict(f"trial {self.name!r} is {self.status.value}; it cannot become {status.value}")
        return replace(self, status=status, **changes)

    def to_json(self) -> dict[str, Any]:
        """As JSON; values that are not finite, which JSON does not have, become text."""
        document = {one.name: getattr(self, one.name) for one in fields(self)}
        document["hyperparameters"] = dict(self.hyperparameters)
        document["status"] = self.status.value
        document["tuned"] = list(self.tuned)
        document["history"] = [[step, _to_json(value)] for step, value in self.history]
        document["metrics"] = {name: _to_json(value) for name, value in self.metrics.items()}
        return document

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Trial:
        """The trial that `to_json` wrote."""
        return cls(
            **{
                **document,
                "status": TrialStatus(document["status"]),
                "tuned": tuple(document["tuned"]),
                "history": tuple((step, float(value)) for step, value in document["history"]),
                "metrics": {name: float(value) for name, value in document["metrics"].items()},
            }
        )


def trial_name(tuning: str, number: int, suggested: Mapping[str, Value]) -> str:
    """`<tuning>-NNN-<8 hex>` as SageMaker names the jobs of a tuning job; the same for the same arguments."""
    content = json.dumps([tuning, number, suggested], sort_keys=True)
    return f"{tuning}-{number:03d}-{hashlib.sha256(content.encode()).hexdigest()[:8]}"


def _to_json(value: float) -> float | str:
    return value if math.isfinite(value) else str(value)
