"""The tuner's memory of its tuning job: the state as it is now, the store that keeps it, and whoever watches it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import final

from tintype.errors import Conflict
from tintype.tuning.settings import TuningSettings
from tintype.tuning.state import TuningState, TuningStatus
from tintype.tuning.store import TuningStore
from tintype.tuning.trial import Trial

WRITE_SECONDS = 1.0     # the shortest time between two writes of reports

Watcher = Callable[[TuningState], None]


@final
class Ledger:
    """Every change of status is one write, at once. Reports, which only matter to watchers, are written in batches."""

    def __init__(
        self, settings: TuningSettings, store: TuningStore, timer: Callable[[], float], watcher: Watcher
    ) -> None:
        self.state = TuningState(settings)
        self._store = store
        self._timer = timer
        self._watcher = watcher
        self._shown = self.state
        self._unsaved: set[str] = set()         # names of the trials with reports that are not stored
        self._begun_at = self._saved_at = timer()
        self._seconds_before = 0.0              # that former coordinators ran

    @property
    def seconds(self) -> float:
        """That the tuning job ran, over all its resumptions."""
        return self._seconds_before + self._timer() - self._begun_at

    def find(self) -> None:
        """Begin from what the store has of the tuning job, if anything. `Conflict` when it has other settings."""
        stored = self._store.find(self.state.name)
        if stored is None:
            return
        if stored.settings != self.state.settings:
            raise Conflict(f"there already is a tuning job {stored.name!r} with other settings; choose another name")
        self.state, self._seconds_before = stored, stored.seconds

    def begin(self, *said: str) -> None:
        """Take the tuning job up: from here on its other coordinators, if there are any, are shut out."""
        notes = self.state.notes
        taken = self.state.moved(
            TuningStatus.IN_PROGRESS,
            reason="",
            attempt=self.state.attempt + 1,
            notes=tuple(dict.fromkeys((*notes, *filter(None, said)))),
        )
        self._store.save(taken)         # a Conflict here leaves our attempt behind, which is how `reread` knows
        self.state = taken

    def end(self, status: TuningStatus, reason: str) -> None:
        """Mark the tuning job as over, for good or for now."""
        self.state = self.state.moved(status, reason=reason, seconds=self.seconds)
        self._store.save(self.state)
        self.show()

    def write(self, trial: Trial) -> None:
        """Keep a trial that is new or has another status."""
        self._store.save_trial(self.state, trial)
        self.state = self.state.with_trial(trial)
        self._unsaved.discard(trial.name)

    def note(self, trial: Trial) -> None:
        """Keep a trial that has new reports; they are written when it is time."""
        self.state = self.state.with_trial(trial)
        self._unsaved.add(trial.name)

    def write_notes_when_due(self) -> None:
        """Write the reports that were only noted, unless the last time was just now."""
        if not self._unsaved or self._timer() - self._saved_at < WRITE_SECONDS:
            return
        for trial in self.state.trials:
            if trial.name in self._unsaved:
                self.write(trial)
        self.state = replace(self.state, seconds=self.seconds)
        self._store.save(self.state)
        self._saved_at = self._timer()

    def show(self) -> None:
        """Tell the watcher, when there is something new."""
        if self.state is not self._shown:
            self._shown = self.state
            self._watcher(self.state)

    def reread(self) -> None:
        """Take from the store what Ctrl-C may have kept from being noted here, between a write and its return.

        `Conflict` when another coordinator has taken the tuning job up.
        """
        stored = self._store.load(self.state.name)
        if stored.attempt != self.state.attempt:
            raise Conflict(f"tuning job {stored.name!r} was taken up by another coordinator")
        for trial in self.state.trials[: len(stored.trials)]:
            other = stored.trials[trial.number - 1]
            if (trial.status, trial.attempt) == (other.status, other.attempt):
                stored = stored.with_trial(trial)           # ours has newer reports
        self.state = stored
