"""CreateModel and its kin: a model is its request, kept; what runs is decided when an endpoint is made of it."""

from __future__ import annotations

from typing import Any

from tintype.errors import Conflict, InvalidRequest, NotFound, Unsupported
from tintype.records import Record
from tintype.web.api.arns import resource
from tintype.web.api.kept_lists import kept_list
from tintype.web.api.moments import moment
from tintype.web.api.operation import Members
from tintype.web.api.surroundings import locate
from tintype.web.api.tags import forget, put
from tintype.web.context import Context
from tintype.web.faults import AwsFault

KIND = "sagemaker-model"
MODEL = "model"
KEPT = ("ModelName", "PrimaryContainer", "Containers", "ExecutionRoleArn", "VpcConfig", "InferenceExecutionConfig")
REFUSED = {
    "ModelPackageName": "there are no model packages here; give ModelDataUrl",
    "MultiModelConfig": "a container with many models is not there; make an endpoint for each, or a variant",
}


def create_model(context: Context, request: Members) -> Members:
    """Keep it, when its data can be read."""
    name = request["ModelName"]
    container = container_of(request)
    if location := data_location(container):
        try:
            locate(context.buckets, location)
        except (NotFound, InvalidRequest, AwsFault) as error:
            raise AwsFault("ValidationException", f"Could not access model data at {location}: {error}") from error
    try:
        context.workspace.records.create(KIND, name, request)
    except Conflict as error:
        there = f'"{context.arn(resource(MODEL, name))}"'
        raise AwsFault("ValidationException", f"Cannot create already existing model {there}.") from error
    arn = context.arn(resource(MODEL, name))
    put(context.workspace.records, arn, request.get("Tags") or ())
    return {"ModelArn": arn}


def describe_model(context: Context, request: Members) -> Members:
    """The request, with when it came."""
    record = find_model(context, request["ModelName"])
    return {
        **{member: record.document[member] for member in KEPT if member in record.document},
        "CreationTime": moment(record.created_at),
        "ModelArn": context.arn(resource(MODEL, record.name)),
        "EnableNetworkIsolation": record.document.get("EnableNetworkIsolation", False),
    }


def list_models(context: Context, request: Members) -> Members:
    """Models, newest first."""
    found, token = kept_list(context, KIND, request)
    return {"Models": [_summary(context, one) for one in found], **token}


def delete_model(context: Context, request: Members) -> Members:
    """Forget it; endpoints that were made of it go on."""
    record = find_model(context, request["ModelName"])
    context.workspace.records.delete(KIND, record.name)
    forget(context.workspace.records, context.arn(resource(MODEL, record.name)))
    return {}


def find_model(context: Context, name: str) -> Record:
    """The model of a name; AWS's own words when there is none."""
    record = context.workspace.records.find(KIND, name)
    if record is None:
        there = f'"{context.arn(resource(MODEL, name))}"'
        raise AwsFault("ValidationException", f"Could not find model {there}.")
    return record


def container_of(request: Members) -> dict[str, Any]:
    """The one container of a model. Raises `Unsupported` for what cannot be served here, naming the member."""
    containers = request.get("Containers") or ([request["PrimaryContainer"]] if request.get("PrimaryContainer") else [])
    if not containers:
        raise InvalidRequest("a model needs a PrimaryContainer")
    if len(containers) > 1:
        raise Unsupported(f"Containers: {len(containers)} in a row are not there; give one that does it all")
    container = containers[0]
    for member, reason in REFUSED.items():
        if container.get(member):
            raise Unsupported(f"{member}: {reason}")
    if container.get("Mode", "SingleModel") != "SingleModel":
        raise Unsupported(f"Mode {container['Mode']}: {REFUSED['MultiModelConfig']}")
    return container


def data_location(container: Members) -> str:
    """Where the model's archive is: an s3:// URI, or "" when the container brings none."""
    source = (container.get("ModelDataSource") or {}).get("S3DataSource") or {}
    return container.get("ModelDataUrl") or source.get("S3Uri") or ""


def _summary(context: Context, record: Record) -> Members:
    return {
        "ModelName": record.name,
        "ModelArn": context.arn(resource(MODEL, record.name)),
        "CreationTime": moment(record.created_at),
    }
