"""How the rules of a training job stand, as DescribeTrainingJob tells it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tintype.jobs.directory import JobDirectory
from tintype.jobs.job import Job, Status
from tintype.rules.rule_output import read_states
from tintype.rules.status import RuleState, RuleStatus
from tintype.web.account import Account
from tintype.web.api.arns import PROCESSING_JOB, resource, rule_job_name
from tintype.web.api.moments import moment

NEVER_RAN = "the rule was not evaluated; rules.log or profiler.log in the job's logs may say why"
TOO_SHORT = "the job ended before the rule could be evaluated"


def rule_statuses(job: Job, configurations: Sequence[Mapping[str, Any]], account: Account) -> list[dict[str, Any]]:
    """One status for each of the request's configurations, in their order. For debug and for profiler rules alike."""
    if not configurations:
        return []
    states = {one.name: one for one in read_states(JobDirectory(Path(job.directory)).rule_output)}
    return [_status(job, one["RuleConfigurationName"], states, account) for one in configurations]


def _status(job: Job, name: str, states: Mapping[str, RuleState], account: Account) -> dict[str, Any]:
    state = states.get(name) or _unheard(job, name)
    told = state.to_sagemaker()
    details = {"StatusDetails": told["StatusDetails"]} if told["StatusDetails"] else {}
    return {
        "RuleConfigurationName": name,
        "RuleEvaluationJobArn": account.arn("sagemaker", resource(PROCESSING_JOB, rule_job_name(job.name, name))),
        "RuleEvaluationStatus": told["RuleEvaluationStatus"],
        **details,
        "LastModifiedTime": moment(state.modified_at or job.ended_at or job.started_at or job.created_at),
    }


def _unheard(job: Job, name: str) -> RuleState:
    """Of a rule that has not said anything: it may still; when the job is over, it is not taken for a good sign."""
    if not job.status.is_finished:
        return RuleState(name, name)
    if job.status is Status.COMPLETED:
        return RuleState(name, name, RuleStatus.ERROR, NEVER_RAN)
    return RuleState(name, name, RuleStatus.STOPPED, TOO_SHORT)
