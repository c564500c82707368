"""A job: one command that was asked for, and what became of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from typing import Any, final

from tintype.errors import Conflict

Json = dict[str, Any]


class Status(StrEnum):
    """SageMaker's words for the state of a training job."""

    IN_PROGRESS = "InProgress"
    STOPPING = "Stopping"
    COMPLETED = "Completed"
    FAILED = "Failed"
    STOPPED = "Stopped"

    @property
    def is_finished(self) -> bool:
        """No further change is possible."""
        return not NEXT[self]


class Phase(StrEnum):
    """SageMaker's secondary status: what a job is doing within its status."""

    STARTING = "Starting"
    PENDING = "Pending"
    DOWNLOADING = "Downloading"
    TRAINING = "Training"
    UPLOADING = "Uploading"
    STOPPING = "Stopping"
    COMPLETED = "Completed"
    FAILED = "Failed"
    STOPPED = "Stopped"


NEXT: Mapping[Status, frozenset[Status]] = {
    Status.IN_PROGRESS: frozenset({Status.STOPPING, Status.COMPLETED, Status.FAILED, Status.STOPPED}),
    # A job that finishes its last epoch while it is asked to stop has completed.
    Status.STOPPING: frozenset({Status.STOPPED, Status.COMPLETED, Status.FAILED}),
    Status.COMPLETED: frozenset(),
    Status.FAILED: frozenset(),
    Status.STOPPED: frozenset(),
}

LAST_PHASE: Mapping[Status, Phase] = {
    Status.STOPPING: Phase.STOPPING,
    Status.COMPLETED: Phase.COMPLETED,
    Status.FAILED: Phase.FAILED,
    Status.STOPPED: Phase.STOPPED,
}


@final
@dataclass(frozen=True)
class Job:
    """One training job as its record holds it. Times are seconds since the epoch, UTC; 0 means not yet."""

    name: str
    directory: str                                          # the /opt/ml layout, see directory.py
    plan: Json                                              # what the command is told
    hyperparameters: Json = field(default_factory=dict)
    parent: str = ""                                        # the tuning job that this is a trial of
    status: Status = Status.IN_PROGRESS
    phase: Phase = Phase.STARTING
    failure_reason: str = ""
    created_at: float = 0.0
    started_at: float = 0.0
    ended_at: float = 0.0
    owner_pid: int = 0                                      # the process that looks after it ...
    owner_started_at: float = 0.0                           # ... and its start time, as pids are used again
    result: Json = field(default_factory=dict)              # what the command said at its end

    def moved(self, status: Status, *, at: float, reason: str = "") -> Job:
        """The job after a legal move. `Conflict` names the job and both states when it is not one."""
        if status not in NEXT[self.status]:
            raise Conflict(f"job {self.name!r} is {self.status}; it cannot become {status}")
        return replace(
            self,
            status=status,
            phase=LAST_PHASE[status],
            failure_reason=reason,
            ended_at=at if status.is_finished else self.ended_at,
        )

    def to_json(self) -> Json:
        """The document that the record keeps."""
        return asdict(self)

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Job:
        """The inverse of `to_json`."""
        return cls(**{**document, "status": Status(document["status"]), "phase": Phase(document["phase"])})
