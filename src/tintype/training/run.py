"""One job and its end: whatever happens inside, exactly one `End` event says how it ended."""

from __future__ import annotations

import logging

import torch

from tintype.errors import TintypeError
from tintype.training.events import End, Failure, Outcome, Result
from tintype.training.outputs import write_failure, write_result
from tintype.training.phases import Emit
from tintype.training.plan import TrainingPlan
from tintype.training.session import Host
from tintype.training.trainer import train

logger = logging.getLogger(__name__)


def run_job(plan: TrainingPlan, emit: Emit, *, resume: bool, host: Host) -> Outcome:
    """Train, tell `emit` the result or the reason of the failure, and then the end. Nothing is raised."""
    reason = None
    try:
        result = train(plan, emit, resume, host)
        outcome = Outcome.STOPPED if result.stopped else Outcome.COMPLETED
        if host.world.leads:
            write_result(result, plan.directory)
            emit(Result(result))
    except Exception as error:
        outcome, reason = Outcome.FAILED, reason_of(error, plan)
        _leave_failure(plan, reason)
        emit(Failure(reason))
    if host.world.leads:
        emit(End(plan.name, outcome, reason))
    return outcome


def reason_of(error: Exception, plan: TrainingPlan) -> str:
    """One readable line that says what to do. What nobody foresaw is logged with its traceback."""
    if isinstance(error, TintypeError):
        return str(error)
    if isinstance(error, MemoryError | torch.OutOfMemoryError) or "can't allocate memory" in str(error):
        return (
            f"out of memory with {plan.batch_size} images per batch; choose a smaller batch-size "
            "(accumulate makes up for it), a smaller image-size or a smaller network"
        )
    logger.error("job %s failed", plan.name, exc_info=error)
    first_line = (str(error).strip().splitlines() or [""])[0]
    return f"unexpected {type(error).__name__}: {first_line}; the log has the details"


def _leave_failure(plan: TrainingPlan, reason: str) -> None:
    try:
        write_failure(plan.directory, reason)
    except (TintypeError, OSError) as error:        # e.g. the full disk that made the job fail
        logger.warning("the reason could not be written to %s: %s", plan.directory, error)
