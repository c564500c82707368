"""Job records: created, moved along their states, listed. Typed claims over `tintype.records`."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any, final

import psutil

from tintype.errors import Conflict
from tintype.jobs.job import Job, Phase, Status
from tintype.records import Measurement, Record, Records

KIND = "training-job"
DEAD_OWNER = "the process that looked after it is gone (killed, or the machine was restarted)"


@final
class JobStore:
    """All training jobs of a workspace. Every method is safe to call from several processes."""

    def __init__(self, records: Records, clock: Callable[[], float] = time.time) -> None:
        self._records = records
        self._clock = clock

    def create(self, job: Job) -> Job:
        """Add a job that this process looks after. `Conflict` when the name is taken."""
        job = replace(job, created_at=self._clock(), **_ownership())
        self._records.create(KIND, job.name, job.to_json(), status=job.status, parent=job.parent)
        return job

    def reopen(self, job: Job) -> Job:
        """Start over a job that never finished, as its new owner. `Conflict` when it did finish well."""

        def apply(record: Record) -> tuple[dict[str, Any], str]:
            found = Job.from_json(record.document)
            if found.status is Status.COMPLETED:
                raise Conflict(f"job {job.name!r} has completed; it is not run twice")
            again = replace(job, created_at=found.created_at, **_ownership())
            return again.to_json(), again.status

        return Job.from_json(self._records.update(KIND, job.name, apply).document)

    def exists(self, name: str) -> bool:
        """There is such a job."""
        return self._records.find(KIND, name) is not None

    def get(self, name: str) -> Job:
        """The job as it is now; one whose owner is gone has become Failed. `NotFound` lists near names."""
        return self._truthful(self._records.get(KIND, name))

    def list(self, *, parent: str | None = None, status: Status | None = None, limit: int | None = None) -> list[Job]:
        """Jobs, newest first; the trials of a tuning job when `parent` names one."""
        found = self._records.list(KIND, parent=parent, status=status, limit=limit)
        jobs = [self._truthful(record) for record in found]
        return [job for job in jobs if status is None or job.status == status]

    def started(self, name: str) -> Job:
        """Note that the command has begun."""
        return self._change(name, lambda job: replace(job, phase=Phase.TRAINING, started_at=self._clock()))

    def move(self, name: str, status: Status, *, reason: str = "", result: dict[str, Any] | None = None) -> Job:
        """Move along the states; `Conflict` when that is no legal move."""
        return self._change(
            name,
            lambda job: replace(job.moved(status, at=self._clock(), reason=reason), result=result or job.result),
        )

    def request_stop(self, name: str) -> Job:
        """Ask whoever looks after the job to stop it. `Conflict` when it has finished; asking twice is fine."""
        job = self.get(name)
        return job if job.status is Status.STOPPING else self.move(name, Status.STOPPING)

    def measure(self, name: str, measurements: Iterable[Measurement]) -> None:
        """Append to the job's metrics."""
        self._records.measure(name, measurements)

    def measurements(self, name: str) -> list[Measurement]:
        """The job's metrics in the order they came."""
        return self._records.measurements(name)

    def _change(self, name: str, change: Callable[[Job], Job]) -> Job:
        def apply(record: Record) -> tuple[dict[str, Any], str]:
            job = change(Job.from_json(record.document))
            return job.to_json(), job.status

        return Job.from_json(self._records.update(KIND, name, apply).document)

    def _truthful(self, record: Record) -> Job:
        job = Job.from_json(record.document)
        if job.status.is_finished or _is_alive(job.owner_pid, job.owner_started_at):
            return job
        try:
            return self.move(job.name, Status.FAILED, reason=DEAD_OWNER)
        except Conflict:      # it ended just now after all
            return Job.from_json(self._records.get(KIND, job.name).document)


def _ownership() -> dict[str, Any]:
    return {"owner_pid": os.getpid(), "owner_started_at": psutil.Process().create_time()}


def _is_alive(pid: int, started_at: float) -> bool:
    try:
        # Start times are kept to the clock tick (10 ms); a pid is not used again within a second.
        return abs(psutil.Process(pid).create_time() - started_at) < 1.0
    except psutil.NoSuchProcess:
        return False
