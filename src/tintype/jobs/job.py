"""A job: one command that was asked for, and what became of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from enum import StrEnum
from typing import Any, final

from tintype.errors import Conflict
from tintype.jobs.specification import (
    Channel,
    Checkpoint,
    Companion,
    JobSpec,
    MetricDefinition,
    Resources,
    Source,
)

__all__ = [
    "LAST_PHASE",
    "MESSAGES",
    "NEXT",
    "NEXT_PHASE",
    "Channel",
    "Checkpoint",
    "Companion",
    "Job",
    "JobSpec",
    "MetricDefinition",
    "Phase",
    "Resources",
    "Source",
    "Status",
    "Transition",
]

Json = dict[str, Any]

REASON_CHARACTERS = 1024        # SageMaker's limit of a FailureReason


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
    PENDING = "Pending"                         # waits for free slots
    DOWNLOADING = "Downloading"
    TRAINING = "Training"
    UPLOADING = "Uploading"
    STOPPING = "Stopping"
    INTERRUPTED = "Interrupted"                 # its process was lost
    RESTARTING = "Restarting"                   # waits for free slots, to go on from its checkpoint
    COMPLETED = "Completed"
    FAILED = "Failed"
    STOPPED = "Stopped"
    MAX_RUNTIME_EXCEEDED = "MaxRuntimeExceeded"

    @property
    def is_waiting(self) -> bool:
        """Nobody looks after the job yet; the queue may start it."""
        return self in {Phase.STARTING, Phase.PENDING, Phase.RESTARTING}


NEXT: Mapping[Status, frozenset[Status]] = {
    Status.IN_PROGRESS: frozenset({Status.STOPPING, Status.COMPLETED, Status.FAILED, Status.STOPPED}),
    # A job that finishes its last epoch while it is asked to stop has completed.
    Status.STOPPING: frozenset({Status.STOPPED, Status.COMPLETED, Status.FAILED}),
    Status.COMPLETED: frozenset(),
    Status.FAILED: frozenset(),
    Status.STOPPED: frozenset(),
}

# Within an unfinished status; an end is possible from every one of them, and STOPPING when the status becomes Stopping.
NEXT_PHASE: Mapping[Phase, frozenset[Phase]] = {
    Phase.STARTING: frozenset({Phase.PENDING, Phase.DOWNLOADING}),
    Phase.PENDING: frozenset({Phase.DOWNLOADING}),
    Phase.DOWNLOADING: frozenset({Phase.TRAINING, Phase.INTERRUPTED}),
    Phase.TRAINING: frozenset({Phase.UPLOADING, Phase.INTERRUPTED}),
    Phase.UPLOADING: frozenset({Phase.INTERRUPTED}),
    Phase.STOPPING: frozenset({Phase.UPLOADING}),
    Phase.INTERRUPTED: frozenset({Phase.RESTARTING}),
    Phase.RESTARTING: frozenset({Phase.DOWNLOADING}),
    Phase.COMPLETED: frozenset(),
    Phase.FAILED: frozenset(),
    Phase.STOPPED: frozenset(),
    Phase.MAX_RUNTIME_EXCEEDED: frozenset(),
}

LAST_PHASE: Mapping[Status, Phase] = {
    Status.STOPPING: Phase.STOPPING,
    Status.COMPLETED: Phase.COMPLETED,
    Status.FAILED: Phase.FAILED,
    Status.STOPPED: Phase.STOPPED,
}

# SageMaker's sentences, where it has one.
MESSAGES: Mapping[Phase, str] = {
    Phase.STARTING: "Starting the training job",
    Phase.PENDING: "Training job waiting for capacity",
    Phase.DOWNLOADING: "Downloading input data",
    Phase.TRAINING: "Training image download completed. Training in progress.",
    Phase.UPLOADING: "Uploading generated training model",
    Phase.STOPPING: "Stopping the training job",
    Phase.INTERRUPTED: "Training job interrupted",
    Phase.RESTARTING: "Restarting the training job from its last checkpoint",
    Phase.COMPLETED: "Training job completed",
    Phase.FAILED: "Training job failed",
    Phase.STOPPED: "Training job stopped",
    Phase.MAX_RUNTIME_EXCEEDED: "Resource released due to max runtime exceeded",
}


@final
@dataclass(frozen=True)
class Transition:
    """One phase that a job went through. `ended_at` is 0 while it lasts."""

    phase: Phase
    message: str
    started_at: float
    ended_at: float = 0.0


@final
@dataclass(frozen=True)
class Job:
    """One training job as its record holds it. Times are seconds since the epoch, UTC; 0 means not yet."""

    name: str
    directory: str                                          # the /opt/ml layout, see directory.py
    hyperparameters: Json = field(default_factory=dict)
    parent: str = ""                                        # the tuning job that this is a trial of
    status: Status = Status.IN_PROGRESS
    phase: Phase = Phase.STARTING
    failure_reason: str = ""
    created_at: float = 0.0
    started_at: float = 0.0
    ended_at: float = 0.0
    result: Json = field(default_factory=dict)              # what the command said at its end
    spec: JobSpec | None = None                             # what was asked for; None in records of the first release
    transitions: tuple[Transition, ...] = ()
    attempt: int = 0                                        # how often it was started
    gpus: tuple[int, ...] = ()                              # the machine's GPUs that it was last given
    stop_requested_at: float = 0.0
    exit_code: int | None = None                            # negative: the signal that ended it
    warnings: tuple[str, ...] = ()                          # e.g. a metric whose regex never matched

    def entered(self, phase: Phase, *, at: float, message: str = "") -> Job:
        """The job in its next phase. `Conflict` when that is no legal step."""
        if phase not in NEXT_PHASE[self.phase]:
            raise Conflict(f"job {self.name!r} is {self.phase}; it cannot be {phase} next")
        return self._in_phase(phase, at, message)

    def moved(self, status: Status, *, at: float, reason: str = "", phase: Phase | None = None) -> Job:
        """The job after a legal move. `Conflict` names the job and both states when it is not one."""
        if status not in NEXT[self.status]:
            raise Conflict(f"job {self.name!r} is {self.status}; it cannot become {status}")
        moved = self._in_phase(phase or LAST_PHASE[status], at, reason)
        return replace(
            moved,
            status=status,
            failure_reason=reason[:REASON_CHARACTERS],
            ended_at=at if status.is_finished else self.ended_at,
        )

    def asked_to_stop(self, *, at: float) -> Job:
        """The job when somebody wants it to stop; again changes nothing. `Conflict` when it has finished."""
        if self.status is Status.STOPPING:
            return self
        return replace(self.moved(Status.STOPPING, at=at), stop_requested_at=at)

    def in_first_phase(self, *, at: float) -> Job:
        """The job as it is submitted, with the beginning of its history."""
        return self._in_phase(self.phase, at, "")

    def _in_phase(self, phase: Phase, at: float, message: str) -> Job:
        past = self.transitions
        if past and not past[-1].ended_at:
            past = (*past[:-1], replace(past[-1], ended_at=at))
        ended_at = at if not NEXT_PHASE[phase] else 0.0
        here = Transition(phase, message[:REASON_CHARACTERS] or MESSAGES[phase], at, ended_at)
        return replace(self, phase=phase, transitions=(*past, here))

    def to_json(self) -> Json:
        """The document that the record keeps."""
        values = {one.name: getattr(self, one.name) for one in fields(self)}
        spec = None if self.spec is None else self.spec.to_json()
        return {**values, "spec": spec, "transitions": [dict(vars(one)) for one in self.transitions]}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Job:
        """The inverse of `to_json`; documents of the first release are read too, without what jobs had then."""
        known = {one.name for one in fields(cls)}
        spec = document.get("spec")
        typed = {
            "status": Status(document["status"]),
            "phase": Phase(document["phase"]),
            "spec": None if spec is None else JobSpec.from_json(spec),
            "transitions": tuple(_transition(one) for one in document.get("transitions", ())),
            "warnings": tuple(document.get("warnings", ())),
            "gpus": tuple(document.get("gpus", ())),
        }
        return cls(**{**{name: value for name, value in document.items() if name in known}, **typed})


def _transition(document: Mapping[str, Any]) -> Transition:
    return Transition(**{**document, "phase": Phase(document["phase"])})
