"""Batch transform: create, describe, list, stop. Each object below the input is one request to the model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tintype.errors import Unsupported
from tintype.jobs.instances import Machine
from tintype.pipeline import transform_jobs
from tintype.pipeline.transform_jobs import KIND, TransformJob
from tintype.storage import is_url
from tintype.web.api.arns import resource
from tintype.web.api.hosting import model_source
from tintype.web.api.inputs import input_location
from tintype.web.api.kept_lists import kept_list
from tintype.web.api.kept_requests import claimed
from tintype.web.api.models import find_model
from tintype.web.api.moments import moment, moments
from tintype.web.api.operation import Members
from tintype.web.api.surroundings import client_environment, destination, locate
from tintype.web.api.tags import put
from tintype.web.context import Context
from tintype.web.faults import AwsFault

REQUEST = "transform-request"
MIB = 1024**2
ENDINGS = {"None": "", "Line": "\n"}        # AssembleWith: an object is one record, and that one ends so
REFUSED = {
    ("TransformInput", "SplitType"): ("None", "each object is one request; split it before"),
    ("TransformInput", "CompressionType"): ("None", "unpack the objects before"),
    ("DataProcessing", "JoinSource"): ("None", "answers are not joined with the input"),
    ("DataProcessing", "InputFilter"): ("$", "the whole object is sent"),
    ("DataProcessing", "OutputFilter"): ("$", "the whole answer is kept"),
}


def create_transform_job(context: Context, request: Members) -> Members:
    """Keep it and start its process."""
    name = request["TransformJobName"]
    model = find_model(context, request["ModelName"]).document
    job = transform_job(request, model, context)
    records = context.workspace.records
    if records.find(KIND, name) is not None:
        raise AwsFault(
            "ResourceInUse", "Job name must be unique within an AWS account and region, and a "
            f"transform job with this name already exists ({_arn(context, name)})",
        )  # fmt: skip
    with claimed(records, REQUEST, name, request):
        transform_jobs.begin(context.workspace, job)
    put(records, _arn(context, name), request.get("Tags") or ())
    return {"TransformJobArn": _arn(context, name)}


def describe_transform_job(context: Context, request: Members) -> Members:
    """The request, and how it stands."""
    name = request["TransformJobName"]
    job = find_job(context, name)
    kept = context.workspace.records.get(REQUEST, name).document
    return {
        **{member: value for member, value in kept.items() if member != "Tags"},
        "TransformJobArn": _arn(context, name),
        "TransformJobStatus": job.status.value,
        **({"FailureReason": job.failure_reason} if job.failure_reason else {}),
        **_times(job),
    }


def list_transform_jobs(context: Context, request: Members) -> Members:
    """Transform jobs, newest first."""
    found, token = kept_list(context, KIND, request)
    jobs = [TransformJob.from_json(one.document) for one in found]
    return {"TransformJobSummaries": [_summary(context, job) for job in jobs], **token}


def stop_transform_job(context: Context, request: Members) -> Members:
    """Ask it to stop."""
    job = find_job(context, request["TransformJobName"])
    if job.status.is_finished:
        raise AwsFault(
            "ValidationException",
            f"The request was rejected because the transform job is in status {job.status.value}.",
        )
    transform_jobs.request_stop(context.workspace, job.name)
    return {}


def find_job(context: Context, name: str) -> TransformJob:
    """The transform job of a name; AWS's own words when there is none."""
    record = context.workspace.records.find(KIND, name)
    if record is None:
        raise AwsFault("ResourceNotFound", f"Could not find requested job with name: {name}")
    return transform_jobs.truthful(context.workspace, record)


def transform_job(request: Mapping[str, Any], model: Mapping[str, Any], context: Context) -> TransformJob:
    """What our transform is told. Raises `Unsupported`, naming the member, and what locating the data raises."""
    for (member, part), (only, reason) in REFUSED.items():
        value = (request.get(member) or {}).get(part, only)
        if value != only:
            raise Unsupported(f"{member}.{part} {value}: {reason}")
    given, wanted, resources = request["TransformInput"], request["TransformOutput"], request["TransformResources"]
    source = given["DataSource"]["S3DataSource"]
    if source["S3DataType"] != "S3Prefix":
        raise Unsupported(f"S3DataType {source['S3DataType']}: give an S3Prefix")
    client = request.get("ModelClientConfig") or {}
    own = {**client_environment(context), **(request.get("Environment") or {})}
    found = model_source(model, resources["InstanceType"], lambda uri: locate(context.buckets, uri), own)
    return TransformJob(
        name=request["TransformJobName"],
        archive=found.archive,
        code=found.code,
        environment={**found.environment, **(request.get("Environment") or {})},
        location=_ours(input_location(source["S3Uri"], lambda uri: locate(context.buckets, uri))),
        destination=_ours(destination(context.buckets, wanted["S3OutputPath"])),
        instance_type=resources["InstanceType"],
        workers=max(1, min(resources["InstanceCount"], Machine.here().cores)),
        content_type=given.get("ContentType") or "application/octet-stream",
        accept=wanted.get("Accept") or "application/json",
        ending=ENDINGS[wanted.get("AssembleWith", "None")],
        concurrent=request.get("MaxConcurrentTransforms") or Machine.here().cores,
        timeout_seconds=float(client.get("InvocationsTimeoutInSeconds", 600)),
        body_limit_bytes=(request.get("MaxPayloadInMB") or 6) * MIB,
    )


def _ours(location: str) -> str:
    if is_url(location):
        raise Unsupported(f"{location} is in no bucket of this server; copy the data to one, or make the bucket")
    return location


def _summary(context: Context, job: TransformJob) -> Members:
    return {
        "TransformJobName": job.name,
        "TransformJobArn": _arn(context, job.name),
        "TransformJobStatus": job.status.value,
        **({"FailureReason": job.failure_reason} if job.failure_reason else {}),
        "CreationTime": moment(job.created_at),
        **moments(TransformEndTime=job.ended_at, LastModifiedTime=job.ended_at or job.started_at or job.created_at),
    }


def _times(job: TransformJob) -> Members:
    return {
        "CreationTime": moment(job.created_at),
        **moments(TransformStartTime=job.started_at, TransformEndTime=job.ended_at),
    }


def _arn(context: Context, name: str) -> str:
    return context.arn(resource("transform-job", name))
