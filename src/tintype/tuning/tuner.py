"""The coordinator of one tuning job: it alone decides, and it alone writes.

    while there is something to do:
        has it seen enough?          completion
        is there room?               strategy → new trial → store → runner
        what happened?               runner → trial → store
        does it do badly?            stop rule → store → runner

A trial is stored before it is started and after every change of its status, so a coordinator may be killed at any
moment: the next one finds every trial, leaves those that ended alone, and begins those in progress again under their
names. Reports are stored in batches, at most once a second, because they only matter to those who watch.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import final

from tintype.errors import Conflict, InvalidRequest, TintypeError
from tintype.tuning.completion import reason_of_failure, reason_to_complete, reason_to_give_up
from tintype.tuning.outcome import interrupted, settled
from tintype.tuning.runner import Ended, Reported, TrialEvent, TrialRunner
from tintype.tuning.settings import TuningSettings
from tintype.tuning.space import Point
from tintype.tuning.state import TuningState, TuningStatus
from tintype.tuning.store import TuningStore
from tintype.tuning.strategies import stop_rule_for, strategy_for
from tintype.tuning.trial import Trial, TrialStatus, trial_name

POLL_SECONDS = 0.5      # the longest that the runner may wait for an event
WRITE_SECONDS = 1.0     # the shortest time between two writes of reports
GRACE_SECONDS = 30.0    # that trials have to end after they were asked to

Watcher = Callable[[TuningState], None]


@final
class Tuner:
    """Runs one tuning job to its end. `run` once; `stop` from anywhere.

    `clock` gives seconds since the epoch, for the record; `timer` seconds from anywhere, for durations.
    """

    def __init__(
        self,
        settings: TuningSettings,
        runner: TrialRunner,
        store: TuningStore,
        clock: Callable[[], float],
        timer: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._settings = settings
        self._runner = runner
        self._store = store
        self._clock = clock
        self._timer = timer
        self._strategy = strategy_for(settings)
        self._stop_rule = stop_rule_for(settings, self._strategy)
        self._state = TuningState(settings)
        self._watcher: Watcher = _nobody
        self._shown = self._state
        self._live: set[str] = set()            # names of the trials that the runner has
        self._waiting: deque[Trial] = deque()   # trials of a former coordinator to begin again
        self._unsaved: set[str] = set()         # names of the trials with reports that are not stored
        self._saved_at = self._begun_at = timer()
        self._seconds_before = 0.0              # that former coordinators ran
        self._deadline: float | None = None     # when trials that were asked to stop are given up
        self._ending = ""                       # why no more trials are started, once that is so
        self._stop_asked = threading.Event()
        self._suspending = False

    def run(self, on_change: Watcher | None = None) -> TuningState:
        """Run the tuning job, or go on with it when the store has it, and return how it ended.

        `on_change` is called with every new state, from this thread. Ctrl-C and `stop` stop the trials and leave the
        tuning job Stopped; running it again goes on. The runner is closed in the end, whatever happens.
        `Conflict` when there is a tuning job of this name with other settings, or another coordinator took it over.
        """
        self._watcher = on_change or _nobody
        with contextlib.closing(self._runner):
            self._take_up()
            if not self._state.is_finished:
                self._run_until_stopped()
            return self._state

    def stop(self) -> None:
        """Make `run` stop the trials and return, within about a second plus what the trials take. Safe anywhere."""
        self._stop_asked.set()

    # beginning

    def _take_up(self) -> None:
        stored = self._store.find(self._settings.name)
        if stored is not None and stored.settings != self._settings:
            raise Conflict(
                f"there already is a tuning job named {self._settings.name!r} with other settings; choose another name"
            )
        self._state = stored or self._state
        if self._state.is_finished:
            return
        self._seconds_before, self._begun_at = self._state.seconds, self._timer()
        note = self._note_of_capacity()
        self._state = self._state.moved(
            TuningStatus.IN_PROGRESS,
            reason="",
            attempt=self._state.attempt + 1,
            notes=(*self._state.notes, note) if note and note not in self._state.notes else self._state.notes,
        )
        self._store.save(self._state)
        for trial in self._state.trials:
            if trial.status is TrialStatus.STOPPING:        # the decision was made; only its end was not seen
                self._runner.stop(trial.name)
                self._save_trial(settled(self._settings, trial, _given_up(trial), self._clock()))
            elif trial.is_running or trial.interrupted:
                self._waiting.append(trial)

    def _note_of_capacity(self) -> str:
        asked, room = self._settings.max_parallel_jobs, self._runner.capacity
        if room < 1:
            raise InvalidRequest(f"tuning job {self._settings.name!r}: the runner has no room for a trial")
        if asked <= room:
            return ""
        return f"max_parallel_jobs lowered from {asked} to {room}, which is what there is room for"

    # the loop

    def _run_until_stopped(self) -> None:
        try:
            self._work()
            if not self._stop_asked.is_set():
                self._finish()
                return
            reason = "stopped by its owner"
        except KeyboardInterrupt:
            reason = "interrupted"
        except Conflict:
            raise                                           # it is another coordinator's now: not ours to mark
        except Exception as error:
            with contextlib.suppress(TintypeError):         # it may be the store that failed
                self._suspend(f"the tuner failed: {error}", grace_seconds=0.0)
            raise
        self._suspend(reason, GRACE_SECONDS)

    def _work(self) -> None:
        while not self._stop_asked.is_set():
            self._complete_when_due()
            self._start_trials()
            self._show()
            if not self._live:
                return
            self._take(self._runner.events(POLL_SECONDS))

    def _complete_when_due(self) -> None:
        if self._deadline is not None:
            if self._timer() >= self._deadline:
                self._live.clear()                          # closing the runner ends them
            return
        reason = reason_to_complete(self._settings, self._state.trials, self._seconds())
        if reason is None:
            return
        self._ending, self._deadline = reason, self._timer() + GRACE_SECONDS
        for trial in self._state.running:
            if trial.name in self._live and trial.status is TrialStatus.IN_PROGRESS:
                self._stop_trial(trial, reason)

    def _start_trials(self) -> None:
        room = min(self._settings.max_parallel_jobs, self._runner.capacity)
        while not self._ending and len(self._live) < room:
            if reason_to_give_up(self._settings, self._state.trials) is not None:
                return                                      # unless one of those still running gets through
            if self._waiting:
                self._start(self._waiting.popleft().begun_again(self._clock()))
                continue
            if self._settings.max_jobs is not None and len(self._state.trials) >= self._settings.max_jobs:
                return
            point = self._strategy.suggest(self._state.trials)
            if point is None:
                self._ending = f"all {len(self._state.trials)} combinations were tried"
                return
            self._start(self._new_trial(point))

    def _new_trial(self, point: Point) -> Trial:
        number = len(self._state.trials) + 1
        hyperparameters = {**self._settings.hyperparameters, **point}
        name = trial_name(self._settings.name, number, point)
        return Trial(number, name, hyperparameters, tuple(point), started_at=self._clock())

    def _start(self, trial: Trial) -> None:
        self._save_trial(trial)
        try:
            self._runner.start(trial)
        except TintypeError as error:
            self._save_trial(trial.ended(TrialStatus.FAILED, self._clock(), reason=f"it could not be started: {error}"))
        else:
            self._live.add(trial.name)

    # what happened

    def _take(self, events: Iterable[TrialEvent]) -> None:
        for one in _batches(events):
            if isinstance(one, Ended):
                self._end(one)
            else:
                self._report(one)
        if self._unsaved and self._timer() - self._saved_at >= WRITE_SECONDS:
            self._save_reports()

    def _report(self, reports: list[Reported]) -> None:
        trial = self._find(reports[0].trial)
        if trial is None:
            return
        metrics = {name: float(value) for report in reports for name, value in report.metrics.items()}
        objective = self._settings.objective
        points = [(report.step, float(report.metrics[objective])) for report in reports if objective in report.metrics]
        newer = trial.reported(metrics, points)
        self._state = self._state.with_trial(newer)
        self._unsaved.add(trial.name)
        if points and newer.status is TrialStatus.IN_PROGRESS and not self._suspending:
            reason = self._stop_rule.reason_to_stop(newer, self._state.trials, len(trial.history))
            if reason is not None:
                self._stop_trial(newer, reason)

    def _end(self, event: Ended) -> None:
        trial = self._find(event.trial)
        self._live.discard(event.trial)
        if trial is None:
            return
        if self._suspending and trial.status is TrialStatus.IN_PROGRESS and event.status is not TrialStatus.COMPLETED:
            self._save_trial(interrupted(trial, self._clock()))
        else:
            self._save_trial(settled(self._settings, trial, event, self._clock()))

    def _find(self, name: str) -> Trial | None:
        """The running trial of this name; None when it has ended, as events may come late."""
        return next((trial for trial in self._state.running if trial.name == name), None)

    # ends

    def _finish(self) -> None:
        for trial in self._state.running:                   # did not end in time, or was not begun again
            self._save_trial(settled(self._settings, trial, _given_up(trial, self._ending), self._clock()))
        if self._state.best is not None:
            self._move(TuningStatus.COMPLETED, self._ending or f"all {len(self._state.trials)} trials are over")
        else:
            reason = reason_of_failure(self._settings, self._state.trials)
            self._move(TuningStatus.FAILED, f"{reason}; {self._ending}" if self._ending else reason)

    def _suspend(self, reason: str, grace_seconds: float) -> None:
        """Stop the trials, wait for them a while, and mark everything as to be gone on with."""
        self._suspending = True
        self._reload()
        deadline = self._timer() + grace_seconds
        with contextlib.suppress(KeyboardInterrupt):        # a second Ctrl-C: do not wait
            for name in sorted(self._live) if grace_seconds else ():
                self._runner.stop(name)
            while self._live and self._timer() < deadline:
                self._take(self._runner.events(POLL_SECONDS))
        for trial in self._state.running:
            self._end(_given_up(trial))
        self._move(TuningStatus.STOPPED, reason)

    def _reload(self) -> None:
        """Take from the store what Ctrl-C may have kept from being noted here, between a write and its return."""
        stored = self._store.load(self._settings.name)
        if stored.attempt != self._state.attempt:
            raise Conflict(f"tuning job {self._settings.name!r} was taken over by another coordinator")
        for trial in self._state.trials[: len(stored.trials)]:
            other = stored.trials[trial.number - 1]
            if (trial.status, trial.attempt) == (other.status, other.attempt):
                stored = stored.with_trial(trial)           # ours has newer reports
        self._state = stored

    # what is kept and shown

    def _stop_trial(self, trial: Trial, reason: str) -> None:
        self._save_trial(trial.stopping(reason))
        self._runner.stop(trial.name)

    def _save_trial(self, trial: Trial) -> None:
        self._store.save_trial(self._state, trial)
        self._state = self._state.with_trial(trial)
        self._unsaved.discard(trial.name)

    def _save_reports(self) -> None:
        for trial in self._state.trials:
            if trial.name in self._unsaved:
                self._save_trial(trial)
        self._state = replace(self._state, seconds=self._seconds())
        self._store.save(self._state)
        self._saved_at = self._timer()

    def _move(self, status: TuningStatus, reason: str) -> None:
        self._state = self._state.moved(status, reason=reason, seconds=self._seconds())
        self._store.save(self._state)
        self._show()

    def _show(self) -> None:
        if self._state is not self._shown:
            self._shown = self._state
            self._watcher(self._state)

    def _seconds(self) -> float:
        """That the tuning job ran, over all its resumptions."""
        return self._seconds_before + self._timer() - self._begun_at


def _batches(events: Iterable[TrialEvent]) -> Iterator[list[Reported] | Ended]:
    """The events with the reports of one trial put together, as far as its end does not come between."""
    reports: dict[str, list[Reported]] = {}
    for event in events:
        if isinstance(event, Reported):
            reports.setdefault(event.trial, []).append(event)
            continue
        if event.trial in reports:
            yield reports.pop(event.trial)
        yield event
    yield from reports.values()


def _given_up(trial: Trial, reason: str = "") -> Ended:
    return Ended(trial.name, TrialStatus.STOPPED, reason)


def _nobody(_: TuningState) -> None:
    pass
