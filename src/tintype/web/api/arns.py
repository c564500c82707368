"""Names within ARNs. Pure."""

from __future__ import annotations

import hashlib
import re
from typing import NamedTuple

ARN = re.compile(r"arn:aws[a-z-]*:sagemaker:[a-z0-9-]*:[0-9]{12}:(?P<kind>[a-zA-Z-]+)/(?P<name>.+)")

TRAINING_JOB = "training-job"
TUNING_JOB = "hyper-parameter-tuning-job"
PROCESSING_JOB = "processing-job"

PART_LENGTH = 26                # of a job's and a rule's name in the name of the job that evaluates the rule


class Named(NamedTuple):
    """What an ARN names. The name is in lower case, as SageMaker's ARNs have it."""

    kind: str
    name: str


def named_by(arn: str) -> Named | None:
    """The resource of SageMaker's that `arn` names; None when it is none."""
    found = ARN.fullmatch(arn)
    return None if found is None else Named(found["kind"].lower(), found["name"].lower())


def resource(kind: str, name: str) -> str:
    """The last part of an ARN, e.g. `training-job/my-job`."""
    return f"{kind}/{name.lower()}"


def rule_job_name(job: str, rule: str) -> str:
    """The name of the processing job that evaluates a rule on AWS; here a process beside the training does it."""
    plain = re.sub(r"[^a-zA-Z0-9]+", "-", rule).strip("-") or "rule"
    mark = hashlib.sha256(f"{job}/{rule}".encode()).hexdigest()[:8]
    return f"{job[:PART_LENGTH].rstrip('-')}-{plain[:PART_LENGTH].rstrip('-')}-{mark}"
