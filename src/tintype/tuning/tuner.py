"""The coordinator of one tuning job: it alone decides, and it alone writes.

    while there is something to do:
        has it seen enough?          completion
        is there room?               strategy → new trial → store → runner
        what happened?               runner → trial → store
        does it do badly?            stop rule → store → runner

A trial is stored before it is started and after every change of its status, so a coordinator may be killed at any
moment: the next one finds every trial, leaves those that ended alone, and begins those in progress again under their
names.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import final

from tintype.errors import InvalidRequest, TintypeError
from tintype.tuning.completion import reason_of_failure, reason_to_complete, reason_to_give_up
from tintype.tuning.ledger import Ledger, Watcher
from tintype.tuning.outcome import interrupted, settled
from tintype.tuning.runner import Ended, Reported, TrialEvent, TrialRunner, batches
from tintype.tuning.settings import TuningSettings
from tintype.tuning.space import Point
from tintype.tuning.state import TuningState, TuningStatus
from tintype.tuning.store import TuningStore
from tintype.tuning.strategies import stop_rule_for, strategy_for
from tintype.tuning.trial import Trial, TrialStatus, trial_name
from tintype.tuning.warm_start import note_of_warm_start

POLL_SECONDS = 0.5      # the longest that the runner may wait for an event
GRACE_SECONDS = 30.0    # that trials have to end after they were asked to


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
        self._ledger = Ledger(settings, store, timer, _nobody)
        self._live: dict[str, int] = {}         # name and number of the trials that the runner has
        self._waiting: deque[Trial] = deque()   # trials of a former coordinator to begin again
        self._ending = ""                       # why no more trials are started, once that is so
        self._deadline: float | None = None     # when trials that were asked to stop are given up
        self._stop_asked = threading.Event()
        self._suspending = False

    def run(self, on_change: Watcher | None = None) -> TuningState:
        """Run the tuning job, or go on with it when the store has it, and return how it ended.

        `on_change` is called with every new state, from this thread. Ctrl-C and `stop` stop the trials and leave the
        tuning job Stopped; running it again goes on. The runner is closed in the end, whatever happens.
        `Conflict` when there is a tuning job of this name with other settings, or another coordinator took it over.
        """
        self._ledger = Ledger(self._settings, self._store, self._timer, on_change or _nobody)
        with contextlib.closing(self._runner):
            self._ledger.find()
            if not self._state.is_finished:
                self._run_until_stopped()
            return self._state

    def stop(self) -> None:
        """Make `run` stop the trials and return, within about a second plus what the trials take. Safe anywhere."""
        self._stop_asked.set()

    @property
    def _state(self) -> TuningState:
        return self._ledger.state

    # the loop

    def _run_until_stopped(self) -> None:
        try:
            self._take_up()
            self._work()
            if not self._stop_asked.is_set():
                self._finish()
                return
            reason = "stopped by its owner"
        except KeyboardInterrupt:
            reason = "interrupted"
        except Exception as error:
            with contextlib.suppress(TintypeError):         # the store may be what failed, or be another's by now
                self._suspend(f"the tuner failed: {error}", grace_seconds=0.0)
            raise
        self._suspend(reason, GRACE_SECONDS)

    def _take_up(self) -> None:
        self._ledger.begin(self._note_of_capacity(), note_of_warm_start(self._settings))
        for trial in self._state.trials:
            if trial.status is TrialStatus.STOPPING:        # the decision was made; only its end was not seen
                self._runner.stop(trial.name)
                self._settle(trial, Ended(trial.name, TrialStatus.STOPPED))
            elif trial.is_running or trial.interrupted:
                self._waiting.append(trial)

    def _note_of_capacity(self) -> str:
        asked, room = self._settings.most_at_once, self._runner.capacity
        if room < 1:
            raise InvalidRequest(f"tuning job {self._settings.name!r}: the runner has no room for a trial")
        if asked <= room:
            return ""
        return f"max_parallel_jobs lowered from {asked} to {room}, which is what there is room for"

    def _work(self) -> None:
        while not self._stop_asked.is_set():
            self._complete_when_due()
            self._start_trials()
            self._ledger.show()
            if not self._live:
                return
            self._take(self._runner.events(POLL_SECONDS))

    def _complete_when_due(self) -> None:
        if self._deadline is not None:
            if self._timer() >= self._deadline:
                self._live.clear()                          # closing the runner ends them
            return
        reason = reason_to_complete(self._settings, self._state.trials, self._ledger.seconds)
        if reason is None:
            return
        self._ending, self._deadline = reason, self._timer() + GRACE_SECONDS
        for trial in self._state.running:
            if trial.name in self._live and trial.status is TrialStatus.IN_PROGRESS:
                self._stop_trial(trial, reason)

    # begin

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
        self._ledger.write(trial)
        self._live[trial.name] = trial.number
        try:
            self._runner.start(trial)
        except TintypeError as error:
            self._end(Ended(trial.name, TrialStatus.FAILED, f"it could not be started: {error}"))

    # what happened

    def _take(self, events: Iterable[TrialEvent]) -> None:
        for one in batches(events):
            if isinstance(one, Ended):
                self._end(one)
            else:
                self._report(one)
        self._ledger.write_notes_when_due()

    def _report(self, reports: list[Reported]) -> None:
        trial = self._find(reports[0].trial)
        if trial is None:
            return
        metrics = {name: float(value) for report in reports for name, value in report.metrics.items()}
        objective = self._settings.objective
        points = [(report.step, float(report.metrics[objective])) for report in reports if objective in report.metrics]
        newer = trial.reported(metrics, points)
        self._ledger.note(newer)
        if points and newer.status is TrialStatus.IN_PROGRESS and not self._suspending:
            reason = self._stop_rule.reason_to_stop(newer, self._state.trials, len(trial.history))
            if reason is not None:
                self._stop_trial(newer, reason)

    def _end(self, event: Ended) -> None:
        trial = self._find(event.trial)
        self._live.pop(event.trial, None)
        if trial is not None:
            self._settle(trial, event)

    def _find(self, name: str) -> Trial | None:
        """The trial that the runner has under this name; None when it has ended, as events may come late."""
        number = self._live.get(name)
        trial = None if number is None else self._state.trials[number - 1]
        return trial if trial is not None and trial.is_running else None

    def _settle(self, trial: Trial, event: Ended) -> None:
        if self._suspending and trial.status is TrialStatus.IN_PROGRESS and event.status is not TrialStatus.COMPLETED:
            self._ledger.write(interrupted(trial, self._clock()))
        else:
            self._ledger.write(settled(self._settings, trial, event, self._clock()))

    def _stop_trial(self, trial: Trial, reason: str) -> None:
        self._ledger.write(trial.stopping(reason))
        self._runner.stop(trial.name)

    # ends

    def _finish(self) -> None:
        for trial in self._state.running:                   # did not end in time, or was not begun again
            self._settle(trial, Ended(trial.name, TrialStatus.STOPPED, self._ending))
        if self._state.best is not None:
            self._ledger.end(TuningStatus.COMPLETED, self._ending or f"all {len(self._state.trials)} trials are over")
            return
        reason = reason_of_failure(self._settings, self._state.trials)
        self._ledger.end(TuningStatus.FAILED, f"{reason}; {self._ending}" if self._ending else reason)

    def _suspend(self, reason: str, grace_seconds: float) -> None:
        """Stop the trials, wait for them a while, and mark everything as to be gone on with."""
        self._suspending = True
        self._ledger.reread()
        deadline = self._timer() + grace_seconds
        with contextlib.suppress(KeyboardInterrupt):        # a second Ctrl-C: do not wait
            for name in list(self._live) if grace_seconds else ():
                self._runner.stop(name)
            while self._live and self._timer() < deadline:
                self._take(self._runner.events(POLL_SECONDS))
        for trial in self._state.running:
            self._settle(trial, Ended(trial.name, TrialStatus.STOPPED))
        self._ledger.end(TuningStatus.STOPPED, reason)


def _nobody(_: TuningState) -> None:
    pass
