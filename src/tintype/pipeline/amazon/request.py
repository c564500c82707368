"""Our jobs as SageMaker's requests. Pure: what is uploaded has its URI by now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, final

from tintype.jobs.hyperparameters import encode
from tintype.jobs.job import JobSpec, Resources
from tintype.pipeline.amazon.remote import INSTANCE, Remote
from tintype.pipeline.tuning_plan import OBJECTIVE_HYPERPARAMETER
from tintype.tuning.ranges import Categorical, Continuous, Integer
from tintype.tuning.settings import StrategyName, TuningSettings
from tintype.tuning.space import Space

Json = dict[str, Any]

VOLUME_GB = 30
KINDS = ("IntegerParameterRanges", "ContinuousParameterRanges", "CategoricalParameterRanges")


@final
@dataclass(frozen=True)
class Uploaded:
    """A job's files in the bucket."""

    program: str                                                # the entry point in the source
    source: str                                                 # the URI of sourcedir.tar.gz
    channels: Mapping[str, str] = field(default_factory=dict)   # name -> URI


def training_request(remote: Remote, name: str, spec: JobSpec, uploaded: Uploaded) -> Json:
    """CreateTrainingJob for a specification of ours."""
    return {
        "TrainingJobName": name,
        "HyperParameters": _hyperparameters(spec.hyperparameters, name, uploaded, remote),
        "ResourceConfig": _resources(spec.resources),
        **_shared(remote, spec, uploaded),
        **({"Environment": dict(spec.environment)} if spec.environment else {}),
        **({"Tags": [{"Key": key, "Value": value} for key, value in spec.tags.items()]} if spec.tags else {}),
    }


def tuning_request(remote: Remote, settings: TuningSettings, spec: JobSpec, uploaded: Uploaded) -> Json:
    """CreateHyperParameterTuningJob for a search of ours."""
    static = _hyperparameters(spec.hyperparameters, settings.name, uploaded, remote)
    static.pop(OBJECTIVE_HYPERPARAMETER, None)
    definition = {
        "StaticHyperParameters": static,
        "HyperParameterTuningResourceConfig": _resources(spec.resources),
        **_shared(remote, spec, uploaded),
        **({"Environment": dict(spec.environment)} if spec.environment else {}),
    }
    return {
        "HyperParameterTuningJobName": settings.name,
        "HyperParameterTuningJobConfig": _search(settings),
        "TrainingJobDefinition": definition,
    }


def ranges_on_the_wire(space: Space) -> Json:
    """ParameterRanges: numbers as strings, categorical values in JSON's quotes, as the SDK writes them."""
    members: Json = {kind: [] for kind in KINDS}
    for one in space.ranges:
        match one:
            case Integer():
                members[KINDS[0]].append(_ends(one, str(one.low), str(one.high)))
            case Continuous():
                members[KINDS[1]].append(_ends(one, repr(one.low), repr(one.high)))
            case Categorical():
                members[KINDS[2]].append({"Name": one.name, "Values": [encode(str(value)) for value in one.values]})
    return members


def _shared(remote: Remote, spec: JobSpec, uploaded: Uploaded) -> Json:
    metrics = [{"Name": one.name, "Regex": one.regex} for one in spec.metric_definitions]
    return {
        "AlgorithmSpecification": {
            "TrainingImage": remote.image(spec.resources.instance_type or INSTANCE),
            "TrainingInputMode": "File",
            **({"MetricDefinitions": metrics} if metrics else {}),
        },
        "RoleArn": remote.role,
        "OutputDataConfig": {"S3OutputPath": spec.output or f"s3://{remote.bucket}/"},
        "StoppingCondition": {"MaxRuntimeInSeconds": int(spec.max_runtime_seconds)},
        **({"InputDataConfig": _inputs(uploaded.channels)} if uploaded.channels else {}),
        **({"RetryStrategy": {"MaximumRetryAttempts": spec.retries}} if spec.retries else {}),
    }


def _hyperparameters(wire: Mapping[str, str], name: str, uploaded: Uploaded, remote: Remote) -> dict[str, str]:
    return {
        **wire,
        "sagemaker_program": encode(uploaded.program),
        "sagemaker_submit_directory": encode(uploaded.source),
        "sagemaker_container_log_level": "20",
        "sagemaker_job_name": encode(name),
        "sagemaker_region": encode(remote.region),
    }


def _resources(wanted: Resources) -> Json:
    return {
        "InstanceType": wanted.instance_type or INSTANCE,
        "InstanceCount": wanted.instance_count,
        "VolumeSizeInGB": VOLUME_GB,
    }


def _inputs(channels: Mapping[str, str]) -> Sequence[Json]:
    return [
        {
            "ChannelName": name,
            "DataSource": {
                "S3DataSource": {
                    "S3DataType": "S3Prefix", "S3Uri": uri, "S3DataDistributionType": "FullyReplicated",
                },
            },
        }
        for name, uri in channels.items()
    ]  # fmt: skip


def _search(settings: TuningSettings) -> Json:
    limits = {
        "MaxNumberOfTrainingJobs": settings.max_jobs,
        "MaxParallelTrainingJobs": settings.max_parallel_jobs,
        "MaxRuntimeInSeconds": None if settings.max_runtime_seconds is None else int(settings.max_runtime_seconds),
    }
    return {
        "Strategy": settings.strategy.value,
        "HyperParameterTuningJobObjective": {"Type": settings.direction.value, "MetricName": settings.objective},
        "ResourceLimits": {name: value for name, value in limits.items() if value is not None},
        "ParameterRanges": ranges_on_the_wire(settings.space),
        "TrainingJobEarlyStoppingType": settings.early_stopping.value,
        "RandomSeed": settings.seed,
        **_criteria(settings),
        **_hyperband(settings),
    }


def _criteria(settings: TuningSettings) -> Json:
    found: Json = {}
    if settings.target_value is not None:
        found["TargetObjectiveMetricValue"] = settings.target_value
    if settings.max_jobs_not_improving is not None:
        found["BestObjectiveNotImproving"] = {"MaxNumberOfTrainingJobsNotImproving": settings.max_jobs_not_improving}
    if settings.stop_when_converged:
        found["ConvergenceDetected"] = {"CompleteOnConvergence": "Enabled"}
    return {"TuningJobCompletionCriteria": found} if found else {}


def _hyperband(settings: TuningSettings) -> Json:
    if settings.strategy is not StrategyName.HYPERBAND:
        return {}
    shared = {"MinResource": settings.resource.minimum, "MaxResource": settings.resource.maximum}
    return {"StrategyConfig": {"HyperbandStrategyConfig": shared}}


def _ends(one: Integer | Continuous, low: str, high: str) -> Json:
    return {"Name": one.name, "MinValue": low, "MaxValue": high, "ScalingType": one.scaling.value}
