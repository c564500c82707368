"""A CreateTrainingJob request as what the engine is told, and what of it is done otherwise here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tintype.debugger import compat_path
from tintype.errors import InvalidRequest, Unsupported
from tintype.jobs import configuration_files
from tintype.jobs.job import Checkpoint, JobSpec, Resources
from tintype.jobs.launch import MODULE
from tintype.jobs.specification import CHECKPOINTS, DAY_SECONDS, PARTS
from tintype.pipeline.script_jobs import with_path
from tintype.storage import is_url
from tintype.web.api.images import Image, note_on, read_image
from tintype.web.api.inputs import channels_of, notes_on
from tintype.web.api.programs import metrics_of, source_of
from tintype.web.api.surroundings import Surroundings
from tintype.web.faults import AwsFault

Json = Mapping[str, Any]

ARCHIVES = ("output",)
TENSORBOARD = "/opt/ml/output/tensorboard"

# Members that are kept and given back, and change nothing here; a log says so where it matters.
NOT_DONE = {
    "VpcConfig": "the job runs on this machine, in no VPC",
    "EnableNetworkIsolation": "the job is not kept from the network",
}
REFUSED = {
    "ServerlessJobConfig": "there are no serverless jobs here",
    "MlflowConfig": "MLflow is not called by this server; call it from your script",
    "ModelPackageConfig": "there are no model packages here",
}


def training_spec(request: Json, around: Surroundings) -> JobSpec:
    """What the engine is told, without hook, rules and profiler.

    Raises `InvalidRequest`, `Unsupported`, `BadData`, naming the member.
    """
    algorithm, wire = request["AlgorithmSpecification"], dict(request.get("HyperParameters") or {})
    image = _image(algorithm)
    for member, reason in REFUSED.items():
        if request.get(member):
            raise Unsupported(f"{member}: {reason}")
    inputs = request.get("InputDataConfig") or ()
    resources, notes = resources_of(request.get("ResourceConfig") or {})
    source = source_of(request, image, around)
    own = {**around.environment, **(request.get("Environment") or {})}
    if source.kind == MODULE:
        own["TINTYPE_HOME"] = str(around.home)          # where its weights and caches are
    stopping = request.get("StoppingCondition") or {}
    _check_wait(stopping, is_spot=bool(request.get("EnableManagedSpotTraining")))
    output = around.destination(request["OutputDataConfig"]["S3OutputPath"])
    return JobSpec(
        source=source,
        hyperparameters=wire,
        channels=channels_of(inputs, algorithm.get("TrainingInputMode", "File"), around),
        output=output,
        published=PARTS if is_url(output) else ARCHIVES,        # the others are shown in our bucket as they come
        resources=resources,
        environment=with_path(own, compat_path()),
        metric_definitions=metrics_of(algorithm, image, source),
        max_runtime_seconds=stopping.get("MaxRuntimeInSeconds", DAY_SECONDS),
        checkpoint=_checkpoint(request.get("CheckpointConfig"), around),
        retries=(request.get("RetryStrategy") or {}).get("MaximumRetryAttempts", 0),
        tags={one["Key"]: one["Value"] for one in request.get("Tags") or ()},
        configuration=_configuration(request),
        notes=(note_on(image), *notes, *notes_on(inputs), *_not_done(request)),
    )


def resources_of(configuration: Json) -> tuple[Resources, list[str]]:
    """Instances of the request, and notes. Groups of several types are as many hosts of the first one's type."""
    groups = configuration.get("InstanceGroups") or ()
    if not groups and not configuration.get("InstanceType"):
        raise InvalidRequest("ResourceConfig has no InstanceType, e.g. ml.m5.large")
    if not groups:
        return Resources(configuration.get("InstanceType", ""), configuration.get("InstanceCount", 1)), []
    count = sum(one["InstanceCount"] for one in groups)
    types = list(dict.fromkeys(one["InstanceType"] for one in groups))
    notes = [f"{count} hosts, all as {types[0]}: groups of several instance types are one here"] if types[1:] else []
    return Resources(types[0], count), notes


def _image(algorithm: Json) -> Image:
    if algorithm.get("AlgorithmName"):
        name = algorithm["AlgorithmName"]
        raise Unsupported(f"AlgorithmName {name!r}: algorithms of a marketplace are not here; give a TrainingImage")
    if not algorithm.get("TrainingImage"):
        raise InvalidRequest("AlgorithmSpecification has no TrainingImage")
    return read_image(algorithm["TrainingImage"])


def _check_wait(stopping: Json, *, is_spot: bool) -> None:
    """Nobody waits for spot instances here; what AWS refuses is refused all the same, in its words."""
    wait = stopping.get("MaxWaitTimeInSeconds")
    if not is_spot and wait:
        reason = "It is only supported when EnableManagedSpotTraining is set to true"
    elif is_spot and (wait or 0) < stopping.get("MaxRuntimeInSeconds", DAY_SECONDS):
        reason = "It must be present and be greater than or equal to MaxRuntimeInSeconds"
    else:
        return
    raise AwsFault("ValidationException", f"Invalid MaxWaitTimeInSeconds. {reason}")


def _checkpoint(configuration: Json | None, around: Surroundings) -> Checkpoint:
    if not configuration:
        return Checkpoint()
    return Checkpoint(configuration.get("LocalPath") or CHECKPOINTS, around.destination(configuration["S3Uri"]))


def _configuration(request: Json) -> dict[str, Any]:
    """Further files of input/config."""
    tensorboard = request.get("TensorBoardOutputConfig")
    if not tensorboard:
        return {}
    return {configuration_files.TENSORBOARD: {"LocalPath": TENSORBOARD, **tensorboard}}


def _not_done(request: Json) -> list[str]:
    return [f"{member}: {reason}" for member, reason in NOT_DONE.items() if request.get(member)]
