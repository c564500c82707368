"""CreateEndpointConfig and its kin: a configuration is its request, kept, once it is known that it can be served."""

from __future__ import annotations

from tintype.errors import Conflict
from tintype.records import Record
from tintype.web.api.arns import resource
from tintype.web.api.hosting import check_configuration
from tintype.web.api.kept_lists import kept_list
from tintype.web.api.models import find_model
from tintype.web.api.moments import moment
from tintype.web.api.operation import Members
from tintype.web.api.tags import forget, put
from tintype.web.context import Context
from tintype.web.faults import AwsFault

KIND = "endpoint-config"
KEPT = (
    "EndpointConfigName", "ProductionVariants", "ShadowProductionVariants", "DataCaptureConfig", "KmsKeyId",
    "AsyncInferenceConfig", "ExecutionRoleArn", "VpcConfig", "EnableNetworkIsolation",
)  # fmt: skip


def create_endpoint_config(context: Context, request: Members) -> Members:
    """Keep it. A model that is not there is said now, as AWS does."""
    name = request["EndpointConfigName"]
    check_configuration(request)
    for variant in (*request["ProductionVariants"], *request.get("ShadowProductionVariants", ())):
        find_model(context, variant["ModelName"])
    try:
        context.workspace.records.create(KIND, name, request)
    except Conflict as error:
        there = f'"{_arn(context, name)}"'
        message = f"Cannot create already existing endpoint configuration {there}."
        raise AwsFault("ValidationException", message) from error
    put(context.workspace.records, _arn(context, name), request.get("Tags") or ())
    return {"EndpointConfigArn": _arn(context, name)}


def describe_endpoint_config(context: Context, request: Members) -> Members:
    """The request, with when it came."""
    record = find_configuration(context, request["EndpointConfigName"])
    return {
        **{member: record.document[member] for member in KEPT if member in record.document},
        "EndpointConfigArn": _arn(context, record.name),
        "CreationTime": moment(record.created_at),
    }


def list_endpoint_configs(context: Context, request: Members) -> Members:
    """Endpoint configurations, newest first."""
    found, token = kept_list(context, KIND, request)
    summaries = [
        {
            "EndpointConfigName": one.name,
            "EndpointConfigArn": _arn(context, one.name),
            "CreationTime": moment(one.created_at),
        }
        for one in found
    ]
    return {"EndpointConfigs": summaries, **token}


def delete_endpoint_config(context: Context, request: Members) -> Members:
    """Forget it; endpoints that were made of it go on."""
    record = find_configuration(context, request["EndpointConfigName"])
    context.workspace.records.delete(KIND, record.name)
    forget(context.workspace.records, _arn(context, record.name))
    return {}


def find_configuration(context: Context, name: str) -> Record:
    """The configuration of a name; AWS's own words when there is none."""
    record = context.workspace.records.find(KIND, name)
    if record is None:
        raise AwsFault("ValidationException", f'Could not find endpoint configuration "{_arn(context, name)}".')
    return record


def _arn(context: Context, name: str) -> str:
    return context.arn(resource("endpoint-config", name))
