"""A `TrialRunner` that trains nothing: every call of `events` moves each running trial on by one epoch."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from tintype.errors import TintypeError
from tintype.tuning.runner import Ended, Reported, TrialEvent
from tintype.tuning.trial import Trial, TrialStatus

Script = Callable[[Trial], Sequence[Mapping[str, float]]]   # what a trial reports, epoch by epoch


class ScriptedRunner:
    """`fail` gives the reason for which a trial fails after its last epoch, "" for none."""

    def __init__(
        self,
        script: Script,
        *,
        capacity: int = 1,
        fail: Callable[[Trial], str] = lambda _: "",
        refuse: Callable[[Trial], str] = lambda _: "",
        before_events: Callable[[ScriptedRunner], None] = lambda _: None,
    ) -> None:
        self.capacity = capacity
        self.started: list[Trial] = []
        self.stopped: list[str] = []
        self.closed = False
        self.most_at_once = 0
        self._script = script
        self._fail = fail
        self._refuse = refuse
        self._before_events = before_events
        self._running: dict[str, tuple[Trial, int]] = {}

    def start(self, trial: Trial) -> None:
        if reason := self._refuse(trial):
            raise TintypeError(reason)
        self.started.append(trial)
        self._running[trial.name] = (trial, 0)
        self.most_at_once = max(self.most_at_once, len(self._running))

    def events(self, timeout_seconds: float) -> Iterable[TrialEvent]:
        self._before_events(self)
        events: list[TrialEvent] = []
        for name, (trial, epoch) in list(self._running.items()):
            reports = self._script(trial)
            if name in self.stopped:
                del self._running[name]
                events.append(Ended(name, TrialStatus.STOPPED))
            elif epoch < len(reports):
                self._running[name] = (trial, epoch + 1)
                events.append(Reported(name, epoch + 1, reports[epoch]))
            else:
                del self._running[name]
                reason = self._fail(trial)
                status = TrialStatus.FAILED if reason else TrialStatus.COMPLETED
                events.append(Ended(name, status, reason, {"epochs": epoch}))
        return events

    def stop(self, trial_name: str) -> None:
        self.stopped.append(trial_name)

    def close(self) -> None:
        self.closed = True
