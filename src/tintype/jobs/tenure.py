"""A supervisor's hold of a job: the lease, and what is still to be recorded under it.

Few writes: a phase that is soon over is recorded with the next one, metrics are collected for a moment. A store that
refuses (a full disk) is tried again. `LeaseLost` means that another has the job: stop everything, write nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import final

from tintype.errors import Conflict, StorageFailed
from tintype.jobs import reserve
from tintype.jobs.assignment import Assignment
from tintype.jobs.event_loop import EventLoop
from tintype.jobs.job import NEXT_PHASE, Job, Phase, Status
from tintype.jobs.pace import Pace
from tintype.jobs.store import JobStore
from tintype.records import Lease, Measurement, Owner

RETRY_SECONDS = 1.0
LAST_WORD_SECONDS = 60.0        # how long the end is tried to be recorded


@final
class Tenure:
    """Take it with `begin`; end it with `finish` or `hand_back`."""

    def __init__(
        self, store: JobStore, lease: Lease, job: Job, loop: EventLoop, pace: Pace, home: Path | None = None
    ) -> None:
        self.job = job                          # as it was when we last wrote or looked
        self._store = store
        self._lease = lease
        self._loop = loop
        self._pace = pace
        self._home = home                       # with the reserve that is given up for the last word
        self._phases: list[tuple[Phase, float]] = []
        self._measured: list[Measurement] = []

    @classmethod
    def begin(cls, store: JobStore, assignment: Assignment, loop: EventLoop, at: float) -> Tenure:
        """Take a job that waits, for its next attempt. `Conflict` when it does not, or another has it."""
        lease = store.take(assignment.name, Owner.of())
        try:
            job = store.change(assignment.name, lambda job: _begun(job, assignment, at), lease)
            return cls(store, lease, job, loop, assignment.pace, Path(assignment.home))
        except BaseException:
            store.release(lease)
            raise

    def beat(self) -> None:
        """A sign of life, and a look whether somebody changed the record."""
        try:
            self._store.renew(self._lease)
            self.job = self._store.get(self.job.name)
        except StorageFailed:
            return                              # the next one may get through; our lease is long

    def enter(self, phase: Phase, at: float) -> None:
        """The job is in its next phase."""
        self._phases.append((phase, at))
        if not self._loop.is_set("record"):
            self._loop.set_alarm("record", self._pace.settle, self._record)

    def measure(self, values: Iterable[Measurement]) -> None:
        """Add to the job's metrics, the first at once and the next after a moment."""
        self._measured += values
        if self._measured and not self._loop.is_set("flush"):
            self._loop.set_alarm("flush", 0.0, self._flush)

    def finish(self, change: Callable[[Job], Job]) -> None:
        """Record all that is left and the end, and let go of the job."""
        self._loop.cancel("record")
        self._loop.cancel("flush")
        self._insist(lambda: self._store.measure(self.job.name, self._measured, self._lease))
        self._insist(lambda: self._store.change(self.job.name, lambda job: change(self._caught_up(job)), self._lease))
        self._insist(lambda: self._store.release(self._lease))

    def _record(self) -> None:
        try:
            self.job = self._store.change(self.job.name, self._caught_up, self._lease)
            self._phases = []
        except StorageFailed:
            self._loop.set_alarm("record", RETRY_SECONDS, self._record)

    def _flush(self) -> None:
        if not self._measured:
            return                              # nothing came since the last time: the next value goes at once
        try:
            self._store.measure(self.job.name, self._measured, self._lease)
            self._measured = []
            self._loop.set_alarm("flush", self._pace.flush, self._flush)
        except StorageFailed:
            self._loop.set_alarm("flush", RETRY_SECONDS, self._flush)

    def _caught_up(self, job: Job) -> Job:
        for phase, at in self._phases:
            if phase is Phase.TRAINING and not job.started_at:
                job = replace(job, started_at=at)
            if phase in NEXT_PHASE[job.phase]:              # not when a stop was asked for meanwhile
                job = job.entered(phase, at=at)
        return job

    def _insist(self, write: Callable[[], object]) -> None:
        until = self._loop.timer() + LAST_WORD_SECONDS
        while True:
            try:
                write()
                return
            except StorageFailed:
                if self._home is not None and reserve.give_up(self._home):
                    continue                    # the disk may be full
                if self._loop.timer() > until:
                    raise
                time.sleep(RETRY_SECONDS)


def _begun(job: Job, assignment: Assignment, at: float) -> Job:
    if job.status is not Status.IN_PROGRESS or not job.phase.is_waiting:
        raise Conflict(f"job {job.name!r} is {job.phase}; it does not wait to be started")
    return replace(job.entered(Phase.DOWNLOADING, at=at), attempt=job.attempt + 1, gpus=assignment.gpus)
