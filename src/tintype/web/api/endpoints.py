"""CreateEndpoint and its kin, over the endpoints of `tintype.serving`: the same ones that the command line shows."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any

from tintype.errors import Conflict, NotFound
from tintype.jobs.supervisor import ENVIRONMENTS
from tintype.records import Record
from tintype.serving.endpoints.config import EndpointConfig
from tintype.serving.endpoints.deployment import Deployment
from tintype.serving.endpoints.endpoint import Endpoint, Status
from tintype.serving.endpoints.store import Endpoints
from tintype.web.api.arns import resource
from tintype.web.api.endpoint_configs import find_configuration
from tintype.web.api.hosting import capture_config, deployment_policy, endpoint_config
from tintype.web.api.models import find_model
from tintype.web.api.moments import moment
from tintype.web.api.operation import Members
from tintype.web.api.paging import page_of
from tintype.web.api.surroundings import client_environment, destination, locate
from tintype.web.api.tags import forget, put
from tintype.web.context import Context
from tintype.web.faults import AwsFault
from tintype.web.patience import set_going

REQUEST = "endpoint-request"            # what an endpoint was made and updated by
DELETION_SECONDS = 3.0                  # that DeleteEndpoint waits for the end of it; then it goes on by itself
UNHEALTHY = (
    "The primary container for production variant {} did not pass the ping health check. Please check CloudWatch logs "
    "for this endpoint. {}"
)
SORTS = {
    "Name": lambda one: one.name,
    "CreationTime": lambda one: one.created_at,
    "Status": lambda one: one.status.value,
}


def create_endpoint(context: Context, request: Members) -> Members:
    """Begin to start it; it is Creating when this returns."""
    name, records = request["EndpointName"], context.workspace.records
    configuration = find_configuration(context, request["EndpointConfigName"])
    config = _config(context, name, configuration, request.get("DeploymentConfig"))
    deployment = Deployment(
        name=name,
        archive=None,
        directory=context.workspace.endpoint_directory(name),
        config=config,
        environments=context.workspace.home / ENVIRONMENTS,
    )
    try:
        set_going(f"endpoint {name} is created", lambda: Endpoints(records).create(deployment))
    except Conflict as error:
        message = f'Cannot create already existing endpoint "{_arn(context, name)}".'
        raise AwsFault("ValidationException", message) from error
    deploying = request.get("DeploymentConfig")
    _keep(context, name, {"EndpointConfig": configuration.document, "DeploymentConfig": deploying})
    put(records, _arn(context, name), request.get("Tags") or ())
    return {"EndpointArn": _arn(context, name)}


def describe_endpoint(context: Context, request: Members) -> Members:
    """How it stands."""
    endpoint = find_endpoint(context, request["EndpointName"])
    kept = _asked(context, endpoint)
    configuration = kept.get("EndpointConfig") or {}
    reason = _reason(endpoint)
    return {
        **_summary(context, endpoint),
        "EndpointConfigName": configuration.get("EndpointConfigName", endpoint.name),
        **({"FailureReason": reason} if reason else {}),
        "ProductionVariants": [_variant(one, configuration) for one in endpoint.variants if not one.shadow],
        **_shadows(endpoint, configuration),
        **({"LastDeploymentConfig": kept["DeploymentConfig"]} if kept.get("DeploymentConfig") else {}),
        **_captured(configuration),
        **({"AsyncInferenceConfig": one} if (one := configuration.get("AsyncInferenceConfig")) else {}),
    }


def list_endpoints(context: Context, request: Members) -> Members:
    """Endpoints, newest first; those of the command line too."""
    page = page_of(request, context.now().timestamp())
    ascending = request.get("SortOrder", "Descending") == "Ascending"
    found = [one for one in Endpoints(context.workspace.records).list() if _passes(one, request)]
    found.sort(key=SORTS[request.get("SortBy", "CreationTime")], reverse=not ascending)
    shown, token = page.cut(found[page.offset : page.offset + page.to_fetch])
    return {"Endpoints": [_summary(context, one) for one in shown], **token}


def update_endpoint(context: Context, request: Members) -> Members:
    """Begin to put another configuration into service, as its deployment configuration says."""
    name = request["EndpointName"]
    endpoint = find_endpoint(context, name)
    kept = _asked(context, endpoint)
    configuration = find_configuration(context, request["EndpointConfigName"])
    deploying = request.get("DeploymentConfig")
    if deploying is None and request.get("RetainDeploymentConfig"):
        deploying = kept.get("DeploymentConfig")
    config = _config(context, name, configuration, deploying)
    if request.get("RetainAllVariantProperties"):
        config = _retained(config, endpoint, request.get("ExcludeRetainedVariantProperties") or ())
    _update(context, name, config)
    asked = {"EndpointConfig": configuration.document, "DeploymentConfig": deploying}
    version = endpoint.files.wishes.desired().version
    _keep(context, name, {**asked, "Version": version, "Before": {key: kept.get(key) for key in asked}})
    return {"EndpointArn": _arn(context, name)}


def update_endpoint_weights_and_capacities(context: Context, request: Members) -> Members:
    """Other shares of the traffic and other numbers of workers, at once and with the same models."""
    name, wanted = request["EndpointName"], request["DesiredWeightsAndCapacities"]
    find_endpoint(context, name)
    config = Endpoints(context.workspace.records).config(name)
    weights = {one["VariantName"]: one["DesiredWeight"] for one in wanted if "DesiredWeight" in one}
    workers = {one["VariantName"]: one["DesiredInstanceCount"] for one in wanted if one.get("DesiredInstanceCount")}
    _update(context, name, config.with_weights(weights).with_workers(workers))
    return {"EndpointArn": _arn(context, name)}


def delete_endpoint(context: Context, request: Members) -> Members:
    """Take it out of service. Requests that it is answering may end first."""
    name, records = request["EndpointName"], context.workspace.records
    find_endpoint(context, name)

    def delete() -> None:
        Endpoints(records).delete(name)
        with contextlib.suppress(NotFound):
            records.delete(REQUEST, name)

    forget(records, _arn(context, name))
    set_going(f"endpoint {name} is deleted", delete, DELETION_SECONDS)
    return {}


def find_endpoint(context: Context, name: str) -> Endpoint:
    """The endpoint of a name; AWS's own words when there is none."""
    try:
        return Endpoints(context.workspace.records).get(name)
    except NotFound as error:
        raise AwsFault("ValidationException", f'Could not find endpoint "{_arn(context, name)}".') from error


def kept_configuration(context: Context, name: str) -> Mapping[str, Any]:
    """The endpoint configuration's request that an endpoint was made by; {} for one of the command line."""
    return _asked(context, find_endpoint(context, name)).get("EndpointConfig") or {}


def _asked(context: Context, endpoint: Endpoint) -> Mapping[str, Any]:
    """The requests that made an endpoint what it is; those before the last update when that was rolled back."""
    record = context.workspace.records.find(REQUEST, endpoint.name)
    kept: Mapping[str, Any] = {} if record is None else record.document
    went_back = "Version" in kept and endpoint.files.wishes.observed().rejected == kept["Version"]
    return kept["Before"] if went_back else kept


def _config(context: Context, name: str, configuration: Record, deploying: Any) -> EndpointConfig:
    document = configuration.document
    variants = [*document["ProductionVariants"], *document.get("ShadowProductionVariants", ())]
    models = {one["ModelName"]: find_model(context, one["ModelName"]).document for one in variants}
    capturing = document.get("DataCaptureConfig") or {}
    folder = f"{destination(context.buckets, uri)}/{name}" if (uri := capturing.get("DestinationS3Uri")) else ""
    instances = sum(one.get("InitialInstanceCount") or 1 for one in document["ProductionVariants"])
    return endpoint_config(
        document,
        models,
        lambda uri: locate(context.buckets, uri),
        deployment_policy(deploying, instances),
        capture_config(document, folder),
        client_environment(context),
    )


def _update(context: Context, name: str, config: EndpointConfig) -> None:
    try:
        Endpoints(context.workspace.records).update(name, config)
    except Conflict as error:
        arn = _arn(context, name)
        raise AwsFault("ValidationException", f'Cannot update in-progress endpoint "{arn}": {error}') from error


def _retained(config: EndpointConfig, endpoint: Endpoint, excluded: Any) -> EndpointConfig:
    """The new configuration with the weights and numbers that the endpoint has now."""
    left_out = {one["VariantPropertyType"] for one in excluded}
    names = {one.name for one in config.variants}
    now = [one for one in endpoint.variants if one.name in names and not one.shadow]
    if "DesiredWeight" not in left_out:
        config = config.with_weights({one.name: one.weight for one in now})
    if "DesiredInstanceCount" not in left_out:
        config = config.with_workers({one.name: one.instances for one in now})
    return config


def _keep(context: Context, name: str, document: Mapping[str, Any]) -> None:
    records = context.workspace.records
    try:
        records.create(REQUEST, name, document)
    except Conflict:
        records.update(REQUEST, name, lambda record: (dict(document), ""))


def _passes(endpoint: Endpoint, request: Members) -> bool:
    created, changed = moment(endpoint.created_at), moment(endpoint.changed_at or endpoint.created_at)
    return (
        request.get("NameContains", "").lower() in endpoint.name.lower()
        and request.get("StatusEquals", endpoint.status.value) == endpoint.status.value
        and request.get("CreationTimeAfter", created) <= created <= request.get("CreationTimeBefore", created)
        and request.get("LastModifiedTimeAfter", changed) <= changed <= request.get("LastModifiedTimeBefore", changed)
    )


def _summary(context: Context, endpoint: Endpoint) -> Members:
    return {
        "EndpointName": endpoint.name,
        "EndpointArn": _arn(context, endpoint.name),
        "EndpointStatus": endpoint.status.value,
        "CreationTime": moment(endpoint.created_at),
        "LastModifiedTime": moment(endpoint.changed_at or endpoint.created_at),
    }


def _reason(endpoint: Endpoint) -> str:
    if endpoint.status is Status.FAILED and endpoint.failure_reason:
        return UNHEALTHY.format(endpoint.variants[0].name, endpoint.failure_reason)[:1024]
    return endpoint.failure_reason[:1024]


def _variant(variant: Any, configuration: Mapping[str, Any]) -> Members:
    wanted = next(
        (one for one in configuration.get("ProductionVariants", ()) if one["VariantName"] == variant.name), {}
    )
    count = wanted.get("InitialInstanceCount") or variant.instances
    return {
        "VariantName": variant.name,
        "CurrentWeight": variant.weight,
        "DesiredWeight": variant.weight,
        "CurrentInstanceCount": count,
        "DesiredInstanceCount": count,
    }


def _shadows(endpoint: Endpoint, configuration: Mapping[str, Any]) -> Members:
    found = [_variant(one, configuration) for one in endpoint.variants if one.shadow]
    return {"ShadowProductionVariants": found} if found else {}


def _captured(configuration: Mapping[str, Any]) -> Members:
    wanted = configuration.get("DataCaptureConfig")
    if not wanted:
        return {}
    enabled = wanted.get("EnableCapture", False)
    return {
        "DataCaptureConfig": {
            "EnableCapture": enabled,
            "CaptureStatus": "Started" if enabled else "Stopped",
            "CurrentSamplingPercentage": wanted["InitialSamplingPercentage"],
            "DestinationS3Uri": wanted["DestinationS3Uri"],
            "KmsKeyId": wanted.get("KmsKeyId", ""),
        }
    }


def _arn(context: Context, name: str) -> str:
    return context.arn(resource("endpoint", name))
