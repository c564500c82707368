"""Records that the SageMaker API keeps beside those of jobs, under the same names. They are named here, as whoever
deletes a job deletes them too.
"""

from __future__ import annotations

import contextlib

from tintype.errors import NotFound
from tintype.jobs.store import KIND as JOB_KIND
from tintype.pipeline.tuning_plan import PLAN_KIND
from tintype.records import Records

TRAINING_REQUEST = "training-request"
TUNING_REQUEST = "tuning-request"
TAGS = "tags"                       # under the last part of an ARN, which is in lower case

# the kind of a job's record -> the kind of the request that made it, and what the resource is called in an ARN
BESIDE = {JOB_KIND: (TRAINING_REQUEST, "training-job"), PLAN_KIND: (TUNING_REQUEST, "hyper-parameter-tuning-job")}


def forget_beside(records: Records, kind: str, name: str) -> None:
    """Delete what is kept beside the record of a job; most have nothing."""
    request, resource = BESIDE[kind]
    for other, key in ((request, name), (TAGS, f"{resource}/{name.lower()}")):
        with contextlib.suppress(NotFound):
            records.delete(other, key)
