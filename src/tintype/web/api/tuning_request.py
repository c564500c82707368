"""The CreateHyperParameterTuningJob request that stands for a tuning job, whoever made it."""

from __future__ import annotations

from typing import Any

from tintype.pipeline.amazon.request import ranges_on_the_wire
from tintype.pipeline.tuning_plan import ScriptTrials, TuningPlan
from tintype.records import Records
from tintype.web.account import Account
from tintype.web.api.kept_requests import TUNING_REQUEST

Json = dict[str, Any]


def tuning_request(records: Records, account: Account, plan: TuningPlan) -> Json:
    """The request as it was kept; of a tuning job of the command line, what its plan says."""
    found = records.find(TUNING_REQUEST, plan.name)
    return _told_by(plan, account) if found is None else found.document


def _told_by(plan: TuningPlan, account: Account) -> Json:
    settings = plan.settings
    limits = {"MaxNumberOfTrainingJobs": settings.max_jobs, "MaxParallelTrainingJobs": settings.max_parallel_jobs}
    output, definitions = "", []
    if isinstance(plan.trials, ScriptTrials):
        output = plan.trials.spec.output
        definitions = [{"Name": one.name, "Regex": one.regex} for one in plan.trials.spec.metric_definitions]
    return {
        "HyperParameterTuningJobName": plan.name,
        "HyperParameterTuningJobConfig": {
            "Strategy": settings.strategy.value,
            "HyperParameterTuningJobObjective": {
                "Type": settings.direction.value,
                "MetricName": settings.objective,
            },
            "ResourceLimits": {name: value for name, value in limits.items() if value is not None},
            "ParameterRanges": ranges_on_the_wire(settings.space),
            "TrainingJobEarlyStoppingType": settings.early_stopping.value,
            "RandomSeed": settings.seed,
        },
        "TrainingJobDefinition": {
            "StaticHyperParameters": {name: str(value) for name, value in settings.hyperparameters.items()},
            "AlgorithmSpecification": {
                "TrainingInputMode": "File",
                **({"MetricDefinitions": definitions} if definitions else {}),
            },
            "RoleArn": account.role_arn,
            "OutputDataConfig": {"S3OutputPath": output or f"s3://{account.default_bucket}/"},
            "StoppingCondition": {"MaxRuntimeInSeconds": 86400},
        },
    }
