"""Job records: created, moved along their states, listed. Typed claims over `tintype.records`."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any, Unpack, final

from tintype.jobs.job import Job, Phase, Status
from tintype.records import Lease, Measurement, Owner, Record, Records
from tintype.records.lists import Filters

KIND = "training-job"
REHEARSAL = "rehearsal"
UNFINISHED = (Status.IN_PROGRESS, Status.STOPPING)
OLD = "an earlier version of Tintype began it and did not see its end"


@final
class JobStore:
    """All training jobs of a workspace. Every method is safe to call from several processes."""

    def __init__(self, records: Records, clock: Callable[[], float] = time.time) -> None:
        self._records = records
        self._clock = clock

    def submit(self, job: Job) -> Job:
        """Add a job for the engine; whoever starts it will look after it. `Conflict` when the name is taken."""
        now = self._clock()
        job = replace(job, created_at=now).in_first_phase(at=now)
        self._records.create(KIND, job.name, job.to_json(), status=job.status, parent=job.parent)
        return job

    def exists(self, name: str) -> bool:
        """There is such a job."""
        return self._records.find(KIND, name) is not None

    def get(self, name: str) -> Job:
        """The job as its record says it is. `NotFound` lists near names."""
        return _job(self._records.get(KIND, name))

    def list(self, *, limit: int | None = None, offset: int = 0, **filters: Unpack[Filters]) -> list[Job]:
        """Jobs that pass the filters, newest first; the trials of a tuning job when `parent` names one."""
        return [_job(record) for record in self._records.list(KIND, limit=limit, offset=offset, **filters)]

    def unfinished(self) -> list[Job]:
        """The engine's jobs that have not ended, oldest first."""
        found = self._records.list(KIND, ascending=True, status=UNFINISHED)
        return [job for job in map(_job, found) if job.spec is not None]

    def move(self, name: str, status: Status, *, reason: str = "", result: dict[str, Any] | None = None) -> Job:
        """Move along the states; `Conflict` when that is no legal move."""
        return self._change(
            name,
            lambda job: replace(job.moved(status, at=self._clock(), reason=reason), result=result or job.result),
        )

    def request_stop(self, name: str) -> Job:
        """Ask whoever looks after the job to stop it. `Conflict` when it has finished; asking twice is fine."""
        return self._change(name, lambda job: job.asked_to_stop(at=self._clock()))

    def measure(self, name: str, measurements: Iterable[Measurement], lease: Lease | None = None) -> None:
        """Append to the job's metrics. `LeaseLost` when the lease is not the newest."""
        self._records.measure(name, measurements, lease=lease)

    def measurements(self, name: str, metric: str | None = None, *, after: int = 0) -> list[Measurement]:
        """The job's metrics in the order they came; of one when `metric` is given; of an id larger than `after`."""
        return self._records.measurements(name, metric, after=after)

    def change(self, name: str, change: Callable[[Job], Job], lease: Lease | None = None) -> Job:
        """Read, change, write; again when somebody was faster. `LeaseLost` when the lease is not the newest."""
        return self._change(name, change, lease)

    def take(self, name: str, owner: Owner, *, over: Lease | None = None) -> Lease:
        """Become the one who looks after a job. `Conflict` when another does, unless its lease is `over`."""
        return self._records.lease(KIND, name, owner, over=over)

    def renew(self, lease: Lease) -> None:
        """A sign of life. `LeaseLost` when another has taken over."""
        self._records.renew(lease)

    def release(self, lease: Lease) -> None:
        """Look after the job no more."""
        self._records.release(lease)

    def holder(self, name: str) -> Lease | None:
        """The lease of whoever looks after the job."""
        return self._records.holder(KIND, name)

    def holders(self) -> dict[str, Lease]:
        """The leases of all jobs that somebody looks after, by name."""
        return {lease.name: lease for lease in self._records.holders(KIND)}

    def rehearse(self, name: str) -> None:
        """Do once, and undo, what a supervisor does with a job: a fork of this process then finds it all prepared."""
        self._records.create(REHEARSAL, name, {})
        lease = self._records.lease(REHEARSAL, name, Owner.of())
        self._records.renew(lease)
        self._records.update(REHEARSAL, name, lambda record: (record.document, record.status), lease=lease)
        self._records.measure(name, [Measurement("rehearsal", 0, 0.0)], lease=lease)
        self._records.release(lease)
        self._records.delete(REHEARSAL, name, measurements=True)

    def disconnect(self) -> None:
        """Close all connections; the next use opens one again. Wanted before a fork, which none may survive."""
        self._records.close()

    def _change(self, name: str, change: Callable[[Job], Job], lease: Lease | None = None) -> Job:
        def apply(record: Record) -> tuple[dict[str, Any], str]:
            job = change(_job(record))
            return job.to_json(), job.status

        return _job(self._records.update(KIND, name, apply, lease=lease))


def _job(record: Record) -> Job:
    job = Job.from_json(record.document)
    if job.spec is None and not job.status.is_finished:     # of the first release, whose processes are gone
        return replace(job, status=Status.FAILED, phase=Phase.FAILED, failure_reason=OLD)
    return job
