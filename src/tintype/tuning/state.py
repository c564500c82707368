"""A tuning job as it is at one moment: what it was asked, how it stands, and its trials. Frozen."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any, final

from tintype.errors import Conflict
from tintype.tuning.completion import best_trial
from tintype.tuning.ranges import Value
from tintype.tuning.settings import TuningSettings
from tintype.tuning.trial import Trial, TrialStatus


class TuningStatus(Enum):
    """The values are the words that SageMaker uses for a tuning job."""

    IN_PROGRESS = "InProgress"
    STOPPING = "Stopping"   # how one in progress reads when somebody asked it to stop; never stored
    COMPLETED = "Completed"
    FAILED = "Failed"       # no trial was completed
    STOPPED = "Stopped"     # by its owner or by a fault; can go on


NEXT: dict[TuningStatus, frozenset[TuningStatus]] = {
    TuningStatus.IN_PROGRESS: frozenset(
        {TuningStatus.IN_PROGRESS, TuningStatus.COMPLETED, TuningStatus.FAILED, TuningStatus.STOPPED}
    ),                      # IN_PROGRESS again: its coordinator died
    TuningStatus.STOPPING: frozenset({TuningStatus.COMPLETED, TuningStatus.FAILED, TuningStatus.STOPPED}),
    TuningStatus.STOPPED: frozenset({TuningStatus.IN_PROGRESS}),
    TuningStatus.COMPLETED: frozenset(),
    TuningStatus.FAILED: frozenset(),
}


@final
@dataclass(frozen=True)
class TuningState:
    """What the tuner shows while it runs, what it returns at the end, and what a store loads."""

    settings: TuningSettings
    status: TuningStatus = TuningStatus.IN_PROGRESS
    trials: tuple[Trial, ...] = ()      # by number, which counts from 1 without gaps
    reason: str = ""                    # why it is over
    notes: tuple[str, ...] = ()         # what the tuner decided, such as fewer parallel trials than asked for
    seconds: float = 0.0                # that it ran, over all its resumptions
    attempt: int = 0                    # how many times a coordinator took it up

    @property
    def name(self) -> str:
        """The tuning job's name."""
        return self.settings.name

    @property
    def is_finished(self) -> bool:
        """Whether it is over for good."""
        return not NEXT[self.status]

    @property
    def running(self) -> tuple[Trial, ...]:
        """The trials that have begun and not ended."""
        return tuple(trial for trial in self.trials if trial.is_running)

    @property
    def best(self) -> Trial | None:
        """The completed trial with the best value so far."""
        return best_trial(self.trials, self.settings.direction)

    @property
    def best_hyperparameters(self) -> dict[str, Value]:
        """All that the best trial was trained with, fixed and tuned; empty before one is completed."""
        return dict(self.best.hyperparameters) if self.best else {}

    @property
    def counts(self) -> dict[TrialStatus, int]:
        """How many trials there are of each status."""
        found = Counter(trial.status for trial in self.trials)
        return {status: found[status] for status in TrialStatus}

    def with_trial(self, trial: Trial) -> TuningState:
        """With a new trial behind the others, or a newer version of one of them."""
        before, after = self.trials[: trial.number - 1], self.trials[trial.number :]
        return replace(self, trials=(*before, trial, *after))

    def moved(self, status: TuningStatus, **changes: Any) -> TuningState:
        """With another status. `Conflict` when that is not possible from the present one."""
        if status not in NEXT[self.status]:
            raise Conflict(f"tuning job {self.name!r} is {self.status.value}; it cannot become {status.value}")
        return replace(self, status=status, **changes)

    def to_json(self) -> dict[str, Any]:
        """Everything but the trials as JSON; `from_json` reads it back."""
        return {
            "settings": self.settings.to_json(),
            "status": self.status.value,
            "reason": self.reason,
            "notes": list(self.notes),
            "seconds": self.seconds,
            "attempt": self.attempt,
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any], trials: tuple[Trial, ...]) -> TuningState:
        """The state that `to_json` wrote, with its trials."""
        return cls(
            settings=TuningSettings.from_json(document["settings"]),
            status=TuningStatus(document["status"]),
            trials=tuple(sorted(trials, key=lambda trial: trial.number)),
            reason=document["reason"],
            notes=tuple(document["notes"]),
            seconds=document["seconds"],
            attempt=document["attempt"],
        )
