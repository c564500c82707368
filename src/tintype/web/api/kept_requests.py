"""The requests that jobs were made by, kept beside their records: AWS gives back what it was given, to the letter.

A tuning job's trials are made by its coordinator, which knows nothing of the API: their requests follow from the tuning
job's. A job of the command line has none; what its record says is put into one.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

from tintype.errors import Conflict, NotFound
from tintype.jobs.job import Job, JobSpec, Source
from tintype.pipeline.records_beside import TRAINING_REQUEST, TUNING_REQUEST
from tintype.records import Records
from tintype.web.account import Account

Json = dict[str, Any]

CLAIM_SECONDS = 60.0        # a request without a job is being made so long; after that nobody is at it

# Members of a tuning job's TrainingJobDefinition that its trials have as well.
SHARED = (
    "AlgorithmSpecification", "RoleArn", "InputDataConfig", "VpcConfig", "OutputDataConfig", "StoppingCondition",
    "EnableNetworkIsolation", "EnableInterContainerTrafficEncryption", "EnableManagedSpotTraining", "CheckpointConfig",
    "RetryStrategy", "Environment",
)  # fmt: skip


@contextmanager
def claimed(records: Records, kind: str, name: str, request: Mapping[str, Any]) -> Iterator[None]:
    """Keep a request while the block makes its job, and from then on; when it raises, the request is forgotten.

    Of two that ask for the same name at once, the second gets a `Conflict`. What a server that was killed halfway has
    left is taken over.
    """
    try:
        records.create(kind, name, request)
    except Conflict:
        left = records.get(kind, name)
        if time.time() - left.updated_at < CLAIM_SECONDS:
            raise
        records.replace(left, request)
    try:
        yield
    except BaseException:
        with suppress(NotFound):
            records.delete(kind, name)
        raise


def training_request(records: Records, account: Account, job: Job) -> Json:
    """The CreateTrainingJob request that stands for a job, whoever made it."""
    if (found := records.find(TRAINING_REQUEST, job.name)) is not None:
        return found.document
    if job.parent and (tuning := records.find(TUNING_REQUEST, job.parent)) is not None:
        return trial_request(tuning.document, job.name, wire_hyperparameters(job))
    return _told_by(job, account)


def definition_of(tuning: Mapping[str, Any]) -> Json:
    """The only training job definition of a tuning job's request."""
    return tuning.get("TrainingJobDefinition") or tuning["TrainingJobDefinitions"][0]


def trial_request(tuning: Mapping[str, Any], name: str, hyperparameters: Mapping[str, str]) -> Json:
    """The request that a trial would have been made by."""
    definition = definition_of(tuning)
    return {
        "TrainingJobName": name,
        "HyperParameters": dict(hyperparameters),
        "ResourceConfig": resource_configuration(definition),
        **{member: definition[member] for member in SHARED if member in definition},
    }


def resource_configuration(definition: Mapping[str, Any]) -> Json:
    """A definition's ResourceConfig, also of one that says it in the newer way."""
    if definition.get("ResourceConfig"):
        return definition["ResourceConfig"]
    newer = definition.get("HyperParameterTuningResourceConfig") or {}
    instances = newer.get("InstanceConfigs") or [newer]
    members = ("InstanceType", "InstanceCount", "VolumeSizeInGB", "VolumeKmsKeyId")
    return {member: one for member in members if (one := {**newer, **instances[0]}.get(member)) is not None}


def wire_hyperparameters(job: Job) -> dict[str, str]:
    """A job's hyperparameters as strings."""
    return {name: str(value) for name, value in job.hyperparameters.items()}


def _told_by(job: Job, account: Account) -> Json:
    spec = job.spec or JobSpec(Source("module", "tintype.training"))        # as jobs of the first release were
    definitions = [{"Name": one.name, "Regex": one.regex} for one in spec.metric_definitions]
    algorithm = {"TrainingInputMode": "File", **({"MetricDefinitions": definitions} if definitions else {})}
    inputs = [
        {
            "ChannelName": one.name,
            "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": one.location}},
            **({"ContentType": one.content_type} if one.content_type else {}),
        }
        for one in spec.channels
    ]
    resources = {"InstanceType": spec.resources.instance_type, "InstanceCount": spec.resources.instance_count}
    return {
        "TrainingJobName": job.name,
        "HyperParameters": wire_hyperparameters(job),
        "AlgorithmSpecification": algorithm,
        "RoleArn": account.role_arn,
        "OutputDataConfig": {"S3OutputPath": spec.output or f"s3://{account.default_bucket}/"},
        "ResourceConfig": {name: value for name, value in resources.items() if value},
        "StoppingCondition": {"MaxRuntimeInSeconds": int(spec.max_runtime_seconds)},
        **({"InputDataConfig": inputs} if inputs else {}),
        **({"Tags": [{"Key": key, "Value": value} for key, value in spec.tags.items()]} if spec.tags else {}),
    }
