"""Batch transform jobs, seen from outside: begun, looked at, asked to stop, taken up again.

A transform job is done by a process of its own (`transformer.py`), which holds the job's lease; killed, it is started
again by whoever looks next, and goes on with the files that have no output yet.
"""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, final

from tintype.errors import Conflict
from tintype.jobs.job import NEXT, Status
from tintype.records import Lease, Owner, Record, Records, is_known_dead
from tintype.storage import storage_errors
from tintype.workspace import Workspace

KIND = "transform-job"
FOLDER = "transform-jobs"           # below the home: <name>/transform.log
MOST_ATTEMPTS = 3                   # how often its process may be lost
START_SECONDS = 30.0                # from the decision to start its process to having started it
REASON_CHARACTERS = 1024

Json = dict[str, Any]


@final
@dataclass(frozen=True)
class TransformJob:
    """What is to be transformed by which model, and how that stands. Times are seconds since the epoch; 0: not yet."""

    name: str
    archive: str                                            # a model.tar.gz or its folder; "" for a script without one
    location: str                                           # a file or a folder
    destination: str                                        # the folder that `<key>.out` files go to
    code: str = ""                                          # the script's source when it comes apart from the archive
    environment: Mapping[str, str] = field(default_factory=dict)
    instance_type: str = ""
    workers: int = 1
    content_type: str = "application/octet-stream"
    accept: str = "application/json"
    ending: str = ""                                        # what each answer is followed by in its file
    concurrent: int = 1
    timeout_seconds: float = 600.0                          # of one request
    body_limit_bytes: int = 6 * 1024**2
    status: Status = Status.IN_PROGRESS
    failure_reason: str = ""
    attempts: int = 0
    process: Json | None = None                             # the `Owner` that was started for it last
    done: int = 0
    total: int = 0
    created_at: float = 0.0
    started_at: float = 0.0
    ended_at: float = 0.0

    def moved(self, status: Status, *, at: float, reason: str = "") -> TransformJob:
        """After a legal move. `Conflict` when it is none."""
        if status not in NEXT[self.status]:
            raise Conflict(f"transform job {self.name!r} is {self.status}; it cannot become {status}")
        ended_at = at if status.is_finished else 0.0
        return replace(self, status=status, failure_reason=reason[:REASON_CHARACTERS], ended_at=ended_at)

    def to_json(self) -> Json:
        """The document that the record keeps."""
        return asdict(self)

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> TransformJob:
        """The inverse of `to_json`."""
        return cls(**{**document, "status": Status(document["status"])})


def begin(workspace: Workspace, job: TransformJob) -> TransformJob:
    """Keep a job and start its process. `Conflict` when the name is taken; nothing is left when it raises."""
    now = time.time()
    job = replace(job, created_at=now, started_at=now)
    workspace.records.create(KIND, job.name, job.to_json(), status=job.status)
    try:
        return _start(workspace, job.name)
    except BaseException:
        workspace.records.delete(KIND, job.name)
        raise


def find(workspace: Workspace, name: str) -> TransformJob:
    """A job as it truly is now; one whose process was lost is taken up again. `NotFound` lists near names."""
    return truthful(workspace, workspace.records.get(KIND, name))


def truthful(workspace: Workspace, record: Record) -> TransformJob:
    """The job of a record as it truly is now, see `find`."""
    job = TransformJob.from_json(record.document)
    if job.status.is_finished or _is_looked_after(workspace.records, job):
        return job
    if job.status is Status.STOPPING:
        return _ended(workspace, job, Status.STOPPED, "")
    if job.attempts >= MOST_ATTEMPTS:
        log = workspace.home / FOLDER / job.name / "transform.log"
        return _ended(workspace, job, Status.FAILED, f"its process was lost {job.attempts} times; {log} may say why")
    return _start(workspace, job.name)


def request_stop(workspace: Workspace, name: str) -> TransformJob:
    """Ask a job to stop; what has been answered stays. `Conflict` when it has ended; asking twice is fine."""

    def stop(job: TransformJob) -> TransformJob:
        return job if job.status is Status.STOPPING else job.moved(Status.STOPPING, at=time.time())

    find(workspace, name)
    return change(workspace.records, name, stop)


def resume_all(workspace: Workspace) -> list[str]:
    """Take up every job whose process was lost, e.g. after the machine was restarted; returns their names."""
    found = workspace.records.list(KIND, status=(Status.IN_PROGRESS, Status.STOPPING))
    seen = [(TransformJob.from_json(record.document), truthful(workspace, record)) for record in found]
    return [now.name for before, now in seen if now.attempts > before.attempts]


def change(
    records: Records, name: str, how: Callable[[TransformJob], TransformJob], lease: Lease | None = None
) -> TransformJob:
    """Read, change, write. `LeaseLost` when the lease is not the newest."""

    def apply(record: Record) -> tuple[Json, str]:
        job = how(TransformJob.from_json(record.document))
        return job.to_json(), job.status

    return TransformJob.from_json(records.update(KIND, name, apply, lease=lease).document)


def _is_looked_after(records: Records, job: TransformJob) -> bool:
    """Somebody holds its lease, or has been started and will; or whoever begins it has not come that far."""
    holder = records.holder(KIND, job.name)
    owners = [holder.owner] if holder else []
    if job.process:
        owners.append(Owner.from_json(job.process))
    if any(not is_known_dead(one, Owner.of()) for one in owners):
        return True
    return job.process is None and time.time() < job.started_at + START_SECONDS


def _ended(workspace: Workspace, job: TransformJob, status: Status, reason: str) -> TransformJob:
    def end(found: TransformJob) -> TransformJob:
        return found if found.status.is_finished else found.moved(status, at=time.time(), reason=reason)

    return change(workspace.records, job.name, end)


def _start(workspace: Workspace, name: str) -> TransformJob:
    change(
        workspace.records,
        name,
        lambda found: replace(found, attempts=found.attempts + 1, started_at=time.time(), process=None),
    )
    folder = workspace.home / FOLDER / name
    with storage_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / "transform.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "tintype.pipeline.transformer", "--home", str(workspace.home), name],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
    owner = Owner.of(process.pid).to_json()
    threading.Thread(target=process.wait, name=f"wait-for-{process.pid}", daemon=True).start()      # no zombie of ours
    return change(workspace.records, name, lambda found: replace(found, process=owner))
