"""Whoever trains: the tuner says which trial to start and to stop, the runner says what happens to it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

from tintype.tuning.trial import Trial, TrialStatus


@dataclass(frozen=True)
class Reported:
    """A trial measured something. `step` counts epochs, or whatever the trial counts, and should not go back."""

    trial: str                              # its name
    step: int
    metrics: Mapping[str, float]            # by metric name; the objective need not be among them


@dataclass(frozen=True)
class Ended:
    """A trial is over, after its last report. The status is COMPLETED, FAILED or STOPPED."""

    trial: str                              # its name
    status: TrialStatus
    reason: str = ""                        # why it failed
    result: Mapping[str, Any] | None = None     # any JSON about it, kept with the trial
    started_at: float | None = None         # when it really began, after its time in a queue; None: not known


TrialEvent: TypeAlias = Reported | Ended


class TrialRunner(Protocol):
    """Trains trials, several at once. Called from one thread only.

    Only the runner knows how: in a worker process, as a supervised job, on another machine. It never sees the store.
    """

    @property
    def capacity(self) -> int:
        """How many trials there is room for at once, at least 1."""
        ...

    def start(self, trial: Trial) -> None:
        """Begin to train with `trial.hyperparameters`; returns at once.

        A trial that was begun before (`trial.attempt` > 1, after a crash of the coordinator) is begun from its start,
        or taken up where it is; either way its reports come from the first step on. A `TintypeError` fails this trial.
        """
        ...

    def events(self, timeout_seconds: float) -> Iterable[TrialEvent]:
        """What happened since the last call, oldest first; waits at most so long for the first event."""
        ...

    def stop(self, trial_name: str) -> None:
        """Ask a trial to stop; its `Ended` follows. Nothing happens for a trial that has ended or is not known."""
        ...

    def close(self) -> None:
        """Let go of everything; trials still in progress end, or go on without the tuner if the runner is built so."""
        ...


def batches(events: Iterable[TrialEvent]) -> Iterator[list[Reported] | Ended]:
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
