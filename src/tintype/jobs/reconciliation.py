"""What the agent has to do about a job, from its record and from who is there to look after it. Pure."""

from __future__ import annotations

from dataclasses import replace
from enum import Enum

from tintype.jobs.job import Job, Phase, Status

KILLED = "the process that looked after it was killed, or the machine was restarted"
SILENT = "the process that looked after it gave no sign of life"
LOST_TRIAL_RETRIES = 1      # a trial that was lost says nothing of its hyperparameters: it is begun once more by itself
NO_START = "its supervisor could not be started; see run/agent.log in the home"


class Need(Enum):
    """What a job that has not ended needs."""

    NOTHING = "somebody looks after it"
    START = "it waits, and may be started when there is room"
    CANCEL = "it is to stop before anybody has started it"
    RECOVER = "whoever looked after it is gone"


def need_of(job: Job, *, is_held: bool, is_lost: bool, is_starting: bool) -> Need:
    """Decide about one job that has not ended.

    `is_held`: somebody has its lease; `is_lost`: and is dead or silent; `is_starting`: a supervisor is on its way.
    """
    if is_held:
        return Need.RECOVER if is_lost else Need.NOTHING
    if is_starting:
        return Need.NOTHING
    if job.status is Status.STOPPING:
        return Need.CANCEL
    return Need.START if job.phase.is_waiting else Need.RECOVER


def recovered(job: Job, reason: str, *, at: float) -> Job:
    """The job when whoever looked after it is gone: waiting again where it has a retry left, else at its end."""
    if job.status.is_finished or (job.phase.is_waiting and job.status is Status.IN_PROGRESS):
        return job                              # it had just ended, or not quite begun
    if job.status is Status.STOPPING:
        return job.moved(Status.STOPPED, at=at)
    retries = 0 if job.spec is None else job.spec.retries
    if job.spec is not None and job.parent:
        retries = max(retries, LOST_TRIAL_RETRIES)
    if job.attempt > retries:
        return job.moved(Status.FAILED, at=at, reason=reason)
    return job.entered(Phase.INTERRUPTED, at=at, message=reason).entered(Phase.RESTARTING, at=at)


def waiting(job: Job, *, at: float) -> Job:
    """The job when there is no room for it yet."""
    return job.entered(Phase.PENDING, at=at) if job.phase is Phase.STARTING else job


def cancelled(job: Job, *, at: float) -> Job:
    """The job that was to stop before it began."""
    return job if job.status.is_finished else replace(job, exit_code=None).moved(Status.STOPPED, at=at)
