"""From an endpoint configuration's request and the models that it names to what our endpoints are told, and back."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from tintype.errors import InvalidRequest, Unsupported
from tintype.jobs.instances import Machine, is_cpu_only
from tintype.serving.endpoints.config import EndpointConfig, ModelSource, ProductionVariant, ShadowVariant
from tintype.serving.model_definition import ACCEPT_VARIABLE, MAY_LACK_MODEL_VARIABLE
from tintype.serving.updates.rollout import DeploymentPolicy, Shift
from tintype.serving.variants.scaling import Scaling
from tintype.serving.watching.capture import CaptureConfig
from tintype.web.api.images import read_image
from tintype.web.api.models import container_of, data_location

Json = Mapping[str, Any]
Locate = Callable[[str], str]

TENTH: Json = {"Type": "CAPACITY_PERCENT", "Value": 10}
SUBMIT_DIRECTORY = "SAGEMAKER_SUBMIT_DIRECTORY"
# SageMaker's own algorithm answers a picture with the list of its probabilities.
BUILT_IN = {ACCEPT_VARIABLE: "application/json;format=vector"}
# Notebooks deploy the estimator itself, with the script that trained it and no model_fn, before they deploy it with
# their inference script. That endpoint is InService on AWS; only its answers are errors.
LENIENT = {MAY_LACK_MODEL_VARIABLE: "1"}
REFUSED = {
    "ExplainerConfig": "Clarify's explanations are not there; the endpoint's own page shows what a model looks at",
    "CrossRegionTrafficConfig": "there is one region here",
}
VARIANT_REFUSED = {
    "InstancePools": "give InstanceType",
    "AcceleratorType": "Elastic Inference is gone from AWS too; leave it out",
}


def check_configuration(request: Json) -> None:
    """Raise `Unsupported` or `InvalidRequest` for what no endpoint here can be, naming the member."""
    for member, reason in REFUSED.items():
        if request.get(member):
            raise Unsupported(f"{member}: {reason}")
    for variant in (*request["ProductionVariants"], *request.get("ShadowProductionVariants", ())):
        name = variant["VariantName"]
        for member, reason in VARIANT_REFUSED.items():
            if variant.get(member):
                raise Unsupported(f"variant {name!r}: {member}: {reason}")
        if not variant.get("ModelName"):
            raise InvalidRequest(f"variant {name!r} has no ModelName")
        if not variant.get("InstanceType") and not variant.get("ServerlessConfig"):
            raise InvalidRequest(f"variant {name!r} needs an InstanceType, or a ServerlessConfig")
        if variant.get("InstanceType"):
            is_cpu_only(variant["InstanceType"])        # refuses what is no instance type


def endpoint_config(
    request: Json,
    models: Mapping[str, Json],
    locate: Locate,
    policy: DeploymentPolicy,
    capture: CaptureConfig | None,
    environment: Mapping[str, str],
) -> EndpointConfig:
    """What the endpoint is told. `models` are the requests of the models it names; `locate` turns URIs into paths.

    `environment` is what scripts find besides that of their models.
    """

    def source(variant: Json) -> ModelSource:
        return model_source(models[variant["ModelName"]], variant.get("InstanceType", ""), locate, environment)

    return EndpointConfig(
        variants=tuple(_production(one, source(one)) for one in request["ProductionVariants"]),
        shadows=tuple(_shadow(one, source(one)) for one in request.get("ShadowProductionVariants", ())),
        capture=capture,
        policy=policy,
    )


def capture_config(request: Json, directory: str) -> CaptureConfig | None:
    """DataCaptureConfig, with the folder that stands for its DestinationS3Uri."""
    wanted = request.get("DataCaptureConfig")
    if not wanted:
        return None
    modes = {one["CaptureMode"] for one in wanted["CaptureOptions"]}
    both = "InputAndOutput" in modes
    return CaptureConfig(
        enabled=wanted.get("EnableCapture", False),
        percent=float(wanted["InitialSamplingPercentage"]),
        requests=both or "Input" in modes,
        answers=both or "Output" in modes,
        directory=directory,
    )


def deployment_policy(wanted: Json | None, instances: int) -> DeploymentPolicy:
    """DeploymentConfig. Alarms are CloudWatch's; here errors and latency themselves are watched, without being told.

    A bake of AWS is WaitIntervalInSeconds after the last shift, and TerminationWaitInSeconds before the old fleet goes.
    """
    if not wanted:
        return DeploymentPolicy()
    if rolling := wanted.get("RollingUpdatePolicy"):
        wait = float(rolling["WaitIntervalInSeconds"])
        step = _percent(rolling["MaximumBatchSize"], instances)
        return DeploymentPolicy(shift=Shift.LINEAR, step_percent=step, step_seconds=wait, bake_seconds=wait)
    blue_green = wanted["BlueGreenUpdatePolicy"]
    routing = blue_green["TrafficRoutingConfiguration"]
    wait = float(routing["WaitIntervalInSeconds"])
    size = routing.get("CanarySize") or routing.get("LinearStepSize") or TENTH
    return DeploymentPolicy(
        shift=Shift(routing["Type"]),
        step_percent=_percent(size, instances),
        step_seconds=wait,
        bake_seconds=wait + float(blue_green.get("TerminationWaitInSeconds", 0)),
    )


def worker_count(variant: Json) -> int:
    """Instances of AWS are worker processes here, as many as this machine has cores at most."""
    return max(1, min(variant.get("InitialInstanceCount") or 1, Machine.here().cores))


def _production(variant: Json, source: ModelSource) -> ProductionVariant:
    return ProductionVariant(
        name=variant["VariantName"],
        model=source,
        weight=variant.get("InitialVariantWeight", 1.0),
        workers=worker_count(variant),
        scaling=_scaling(variant.get("ManagedInstanceScaling") or {}),
    )


def _scaling(managed: Json) -> Scaling | None:
    if managed.get("Status") != "ENABLED":
        return None
    cores = Machine.here().cores
    fewest = max(1, min(managed.get("MinInstanceCount", 1), cores))
    return Scaling(fewest=fewest, most=max(fewest, min(managed.get("MaxInstanceCount", cores), cores)))


def _shadow(variant: Json, source: ModelSource) -> ShadowVariant:
    weight = variant.get("InitialVariantWeight", 1.0)
    return ShadowVariant(
        name=variant["VariantName"],
        model=source,
        percent=min(100.0, max(weight, 0.01) * 100),
        workers=worker_count(variant),
    )


def model_source(model: Json, instance_type: str, locate: Locate, around: Mapping[str, str]) -> ModelSource:
    """A model's archive, script and environment. A type without a GPU hides those that the machine has."""
    container = container_of(dict(model))
    spoken = BUILT_IN if read_image(container.get("Image") or "").is_built_in else {}
    environment = {**LENIENT, **spoken, **around, **(container.get("Environment") or {})}
    submitted = environment.get(SUBMIT_DIRECTORY, "")
    code = locate(submitted) if submitted.startswith("s3://") else ""
    if code:
        environment.pop(SUBMIT_DIRECTORY)
    if instance_type and is_cpu_only(instance_type):
        environment["CUDA_VISIBLE_DEVICES"] = ""
    location = data_location(container)
    if not location and not code:
        raise InvalidRequest(f"model {model['ModelName']!r} has no ModelDataUrl, and images are not pulled here")
    return ModelSource(archive=locate(location) if location else "", code=code, environment=environment)


def _percent(size: Json, instances: int) -> float:
    share = size["Value"] if size["Type"] == "CAPACITY_PERCENT" else 100 * size["Value"] / max(instances, 1)
    return float(min(50.0, max(1.0, math.floor(share))))
