"""A tuning job and its trials as the API tells them. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, final

from tintype.jobs.job import REASON_CHARACTERS, Job
from tintype.pipeline.amazon.request import KINDS
from tintype.pipeline.tuning_plan import OBJECTIVE_HYPERPARAMETER, ScriptTrials, TuningPlan
from tintype.tuning.analytics import final_objective
from tintype.tuning.ranges import Value
from tintype.tuning.state import TuningState, TuningStatus
from tintype.tuning.trial import Trial, TrialStatus
from tintype.web.account import Account
from tintype.web.api.arns import TUNING_JOB, resource
from tintype.web.api.kept_requests import definition_of, resource_configuration
from tintype.web.api.moments import moment, moments
from tintype.web.api.training_description import failure_reason, training_job_arn

Members = dict[str, Any]


@final
@dataclass(frozen=True)
class Seen:
    """A tuning job as it was read: what was asked, how it stands, and when."""

    plan: TuningPlan
    request: Mapping[str, Any]
    state: TuningState
    created_at: float
    changed_at: float
    counts: Mapping[str, int]           # of the trials' jobs, by their status

    @property
    def ended_at(self) -> float:
        """When it was over; 0 while it goes on."""
        return 0.0 if self.state.status in (TuningStatus.IN_PROGRESS, TuningStatus.STOPPING) else self.changed_at


def tuning_job_arn(account: Account, name: str) -> str:
    """The ARN of a tuning job."""
    return account.arn("sagemaker", resource(TUNING_JOB, name))


def described(seen: Seen, account: Account, best: Job | None, overall_best: Members | None) -> Members:
    """The whole answer of DescribeHyperParameterTuningJob. `best` is the job of the best trial."""
    state, request = seen.state, seen.request
    return {
        **_identity(seen, account),
        "HyperParameterTuningJobConfig": _configuration(request["HyperParameterTuningJobConfig"]),
        **_definitions(request, state.settings.objective),
        **moments(HyperParameterTuningEndTime=seen.ended_at, LastModifiedTime=seen.changed_at),
        **{member: request[member] for member in ("WarmStartConfig", "Autotune") if member in request},
        **({"BestTrainingJob": trial_summary(seen, state.best, best, account)} if state.best else {}),
        **({"OverallBestTrainingJob": overall_best} if overall_best else {}),
        **({"FailureReason": state.reason[:REASON_CHARACTERS]} if state.status is TuningStatus.FAILED else {}),
        "TuningJobCompletionDetails": _completion(seen),
        "ConsumedResources": {"RuntimeInSeconds": round(sum(map(_seconds, state.trials)))},
    }


def summarised(seen: Seen, account: Account) -> Members:
    """The item of ListHyperParameterTuningJobs."""
    configuration = seen.request["HyperParameterTuningJobConfig"]
    return {
        **_identity(seen, account),
        "Strategy": configuration["Strategy"],
        "ResourceLimits": configuration["ResourceLimits"],
        **moments(HyperParameterTuningEndTime=seen.ended_at, LastModifiedTime=seen.changed_at),
    }


def trial_summary(seen: Seen, trial: Trial, job: Job | None, account: Account) -> Members:
    """The item of ListTrainingJobsForHyperParameterTuningJob. `job` is the trial's, None before there is one."""
    value, settings = final_objective(trial), seen.state.settings
    started = job.started_at if job else 0.0
    reason = failure_reason(job) if job else trial.reason
    return {
        "TrainingJobName": trial.name,
        "TrainingJobArn": training_job_arn(account, trial.name),
        "TuningJobName": seen.state.name,
        "CreationTime": moment(job.created_at if job else trial.started_at),
        **moments(TrainingStartTime=started, TrainingEndTime=job.ended_at if job else trial.ended_at),
        "TrainingJobStatus": job.status.value if job else trial.status.value,
        "TunedHyperParameters": tuned_wire(seen.plan, trial),
        **({"FailureReason": reason[:REASON_CHARACTERS]} if reason and trial.status is TrialStatus.FAILED else {}),
        **({} if value is None else {"FinalHyperParameterTuningJobObjectiveMetric": {
            "Type": settings.direction.value, "MetricName": settings.objective, "Value": value,
        }}),
        "ObjectiveStatus": objective_status(trial),
    }  # fmt: skip


def objective_status(trial: Trial) -> str:
    """Whether the objective is known: SageMaker's word for it."""
    if trial.is_running:
        return "Pending"
    return "Failed" if final_objective(trial) is None else "Succeeded"


def tuned_wire(plan: TuningPlan, trial: Trial) -> dict[str, str]:
    """The tuned hyperparameters as the trial was given them."""
    match plan.trials:
        case ScriptTrials() as script:
            given: Mapping[str, Value] = script.hyperparameters(plan.settings, trial.hyperparameters)
        case _:
            given = trial.hyperparameters
    return {name: str(given[name]) for name in trial.tuned}


def _identity(seen: Seen, account: Account) -> Members:
    state, counts = seen.state, seen.counts
    objectives = [objective_status(trial) for trial in state.trials]
    return {
        "HyperParameterTuningJobName": state.name,
        "HyperParameterTuningJobArn": tuning_job_arn(account, state.name),
        "HyperParameterTuningJobStatus": state.status.value,
        "CreationTime": moment(seen.created_at),
        "TrainingJobStatusCounters": {
            "Completed": counts["Completed"],
            "InProgress": counts["InProgress"] + counts["Stopping"],
            "RetryableError": 0,
            "NonRetryableError": counts["Failed"],
            "Stopped": counts["Stopped"],
        },
        "ObjectiveStatusCounters": {word: objectives.count(word) for word in ("Succeeded", "Pending", "Failed")},
    }


def _configuration(given: Mapping[str, Any]) -> Members:
    """With all three kinds of ranges, and early stopping, which the SDK's `attach` wants to find."""
    configuration: Members = {"TrainingJobEarlyStoppingType": "Off", **given}
    if "ParameterRanges" in given:
        configuration["ParameterRanges"] = {**{kind: [] for kind in KINDS}, **given["ParameterRanges"]}
    return configuration


def _definitions(request: Mapping[str, Any], objective: str) -> Members:
    if request.get("TrainingJobDefinitions"):
        return {"TrainingJobDefinitions": [_definition(one, objective) for one in request["TrainingJobDefinitions"]]}
    return {"TrainingJobDefinition": _definition(definition_of(request), objective)}


def _definition(given: Mapping[str, Any], objective: str) -> Members:
    static = {**(given.get("StaticHyperParameters") or {}), OBJECTIVE_HYPERPARAMETER: f'"{objective}"'}
    return {
        **given,
        "StaticHyperParameters": static,
        "ResourceConfig": resource_configuration(given),
        "OutputDataConfig": {"KmsKeyId": "", "CompressionType": "GZIP", **given["OutputDataConfig"]},
        **{
            flag: bool(given.get(flag, False))
            for flag in ("EnableNetworkIsolation", "EnableInterContainerTrafficEncryption", "EnableManagedSpotTraining")
        },
    }


def _completion(seen: Seen) -> Members:
    best, trials = seen.state.best, seen.state.trials
    later = [one for one in trials if best and one.status.is_finished and one.number > best.number]
    converged = seen.state.reason.startswith("converged")
    return {
        "NumberOfTrainingJobsObjectiveNotImproving": len(later),
        **moments(ConvergenceDetectedTime=seen.changed_at if converged else 0.0),
    }


def _seconds(trial: Trial) -> float:
    return max(0.0, trial.ended_at - trial.started_at) if trial.ended_at and trial.started_at else 0.0
