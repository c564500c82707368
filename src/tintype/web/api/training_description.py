"""A training job as DescribeTrainingJob and the lists tell it. Pure, but for what its rules have written."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from tintype.jobs.job import REASON_CHARACTERS, Job, Status, Transition
from tintype.records import Measurement
from tintype.web.account import Account
from tintype.web.api.arns import TRAINING_JOB, TUNING_JOB, resource
from tintype.web.api.moments import moment, moments
from tintype.web.api.rule_statuses import rule_statuses

Members = dict[str, Any]

MOST_METRICS = 40               # of FinalMetricDataList
OBJECTIVE_METRIC = "ObjectiveMetric"        # SageMaker's second name of a trial's objective

# Members of the request that are given back as they came.
KEPT = (
    "HyperParameters", "RoleArn", "ResourceConfig", "VpcConfig", "CheckpointConfig", "DebugHookConfig",
    "ExperimentConfig", "TensorBoardOutputConfig", "ProfilerConfig", "ProfilerRuleConfigurations", "Environment",
    "RetryStrategy", "RemoteDebugConfig", "InfraCheckConfig",
)  # fmt: skip
# Members of the item of ListTrainingJobs, which need nothing but the job itself.
SUMMARY = frozenset({
    "TrainingJobName", "TrainingJobArn", "CreationTime", "TrainingEndTime", "LastModifiedTime", "TrainingJobStatus",
    "SecondaryStatus",
})  # fmt: skip
FLAGS = ("EnableNetworkIsolation", "EnableInterContainerTrafficEncryption", "EnableManagedSpotTraining")


def training_job_arn(account: Account, name: str) -> str:
    """The ARN of a training job."""
    return account.arn("sagemaker", resource(TRAINING_JOB, name))


def described(
    job: Job,
    request: Mapping[str, Any],
    account: Account,
    *,
    changed_at: float,
    metrics: Sequence[Measurement] = (),
    objective: str = "",
) -> Members:
    """The whole answer. `changed_at` is when its record last changed; `metrics` the newest value of each.

    `objective` is the metric of the tuning job that it is a trial of.
    """
    arn = account.arn("sagemaker", resource(TUNING_JOB, job.parent)) if job.parent else None
    return {
        **{member: request[member] for member in KEPT if request.get(member) is not None},
        **({"TuningJobArn": arn} if arn else {}),
        "TrainingJobName": job.name,
        "TrainingJobArn": training_job_arn(account, job.name),
        "ModelArtifacts": {"S3ModelArtifacts": model_uri(request, job.name)},
        "TrainingJobStatus": job.status.value,
        "SecondaryStatus": job.phase.value,
        **_failure(job),
        "AlgorithmSpecification": {"EnableSageMakerMetricsTimeSeries": False, **request["AlgorithmSpecification"]},
        **_inputs(request),
        "OutputDataConfig": {"KmsKeyId": "", "CompressionType": "GZIP", **request["OutputDataConfig"]},
        "StoppingCondition": {"MaxRuntimeInSeconds": 86400, **(request.get("StoppingCondition") or {})},
        **{flag: bool(request.get(flag, False)) for flag in FLAGS},
        **_times(job, changed_at),
        "SecondaryStatusTransitions": [_transition(one) for one in job.transitions],
        **_final_metrics(metrics, objective),
        **_rules(job, request, account),
        "ProfilingStatus": _profiling_status(request),
    }


def summarised(job: Job, account: Account, *, changed_at: float) -> Members:
    """The item of ListTrainingJobs."""
    return {
        "TrainingJobName": job.name,
        "TrainingJobArn": training_job_arn(account, job.name),
        **moments(CreationTime=job.created_at, TrainingEndTime=job.ended_at, LastModifiedTime=changed_at),
        "TrainingJobStatus": job.status.value,
        "SecondaryStatus": job.phase.value,
    }


def model_uri(request: Mapping[str, Any], name: str) -> str:
    """Where the job's model is, or will be."""
    return f"{output_uri(request, name)}/output/model.tar.gz"


def output_uri(request: Mapping[str, Any], name: str) -> str:
    """The prefix of the job's outputs."""
    return f"{request['OutputDataConfig']['S3OutputPath'].rstrip('/')}/{name}"


def failure_reason(job: Job) -> str:
    """Why it failed, beginning with SageMaker's word for whose fault it was."""
    if job.status is not Status.FAILED:
        return ""
    kind = "AlgorithmError" if job.exit_code else "ClientError" if not job.started_at else "InternalServerError"
    return f"{kind}: {job.failure_reason}"[:REASON_CHARACTERS]


def _failure(job: Job) -> Members:
    reason = failure_reason(job)
    return {"FailureReason": reason} if reason else {}


def _inputs(request: Mapping[str, Any]) -> Members:
    inputs = request.get("InputDataConfig") or ()
    given = [{"CompressionType": "None", "RecordWrapperType": "None", **one} for one in inputs]
    return {"InputDataConfig": given} if given else {}


def _times(job: Job, changed_at: float) -> Members:
    seconds = math.ceil(job.ended_at - job.started_at) if job.started_at and job.ended_at else 0
    times = moments(
        CreationTime=job.created_at,
        TrainingStartTime=job.started_at,
        TrainingEndTime=job.ended_at,
        LastModifiedTime=changed_at,
    )
    if not job.started_at or not job.ended_at:
        return times
    return {**times, "TrainingTimeInSeconds": max(1, seconds), "BillableTimeInSeconds": max(1, seconds)}


def _transition(one: Transition) -> Members:
    ended = {"EndTime": moment(one.ended_at)} if one.ended_at else {}
    return {"Status": one.phase.value, "StartTime": moment(one.started_at), **ended, "StatusMessage": one.message}


def _final_metrics(metrics: Sequence[Measurement], objective: str) -> Members:
    # CloudWatch takes no NaN and no infinity, and a client that compares them with a number fails.
    metrics = [one for one in metrics if math.isfinite(one.value)]
    found = [_metric(one.name, one) for one in metrics]
    found += [_metric(OBJECTIVE_METRIC, one) for one in metrics if one.name == objective]
    return {"FinalMetricDataList": found[-MOST_METRICS:]} if found else {}


def _metric(name: str, one: Measurement) -> Members:
    return {"MetricName": name, "Value": one.value, "Timestamp": moment(one.at)}


def _rules(job: Job, request: Mapping[str, Any], account: Account) -> Members:
    answer: Members = {}
    debug, profiler = request.get("DebugRuleConfigurations") or [], request.get("ProfilerRuleConfigurations") or []
    if debug:
        answer["DebugRuleConfigurations"] = [{"VolumeSizeInGB": 0, **one} for one in debug]
        answer["DebugRuleEvaluationStatuses"] = rule_statuses(job, debug, account)
    if profiler:
        answer["ProfilerRuleConfigurations"] = [{"VolumeSizeInGB": 0, **one} for one in profiler]
        answer["ProfilerRuleEvaluationStatuses"] = rule_statuses(job, profiler, account)
    return answer


def _profiling_status(request: Mapping[str, Any]) -> str:
    configuration = request.get("ProfilerConfig")
    return "Enabled" if configuration and not configuration.get("DisableProfiler") else "Disabled"
