from __future__ import annotations

import pytest

from tintype.jobs.job import Job, JobSpec, Phase, Status
from tintype.jobs.reconciliation import KILLED, LOST_TRIAL_RETRIES, recovered
from tintype.jobs.specification import Source


def job(*, parent: str = "", retries: int = 0, attempt: int = 1) -> Job:
    """A job that is trained for the `attempt`-th time."""
    spec = JobSpec(Source("script", "train.py"), retries=retries)
    begun = Job("ants", "/ants", parent=parent, spec=spec).in_first_phase(at=1.0).entered(Phase.DOWNLOADING, at=2.0)
    return Job.from_json({**begun.entered(Phase.TRAINING, at=3.0).to_json(), "attempt": attempt})


@pytest.mark.parametrize(
    ("lost", "goes_on"),
    [
        (job(), False),
        (job(retries=1), True),
        (job(retries=1, attempt=2), False),
        (job(parent="tuning"), True),
        (job(parent="tuning", attempt=1 + LOST_TRIAL_RETRIES), False),
        (job(parent="tuning", retries=3, attempt=3), True),
    ],
    ids=["alone", "retry", "no more retries", "trial", "trial, lost again", "trial with retries"],
)
def test_what_becomes_of_a_job_that_nobody_looks_after(lost: Job, goes_on: bool) -> None:
    after = recovered(lost, KILLED, at=4.0)
    assert after.status is (Status.IN_PROGRESS if goes_on else Status.FAILED)
    assert after.phase is (Phase.RESTARTING if goes_on else Phase.FAILED)
    assert after.failure_reason == ("" if goes_on else KILLED)
