"""What a job left on SageMaker, brought home: from then on it is a job as all others, to be shown and deployed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from tintype.jobs.directory import JobDirectory
from tintype.jobs.job import LAST_PHASE, Job, Status, Transition
from tintype.jobs.store import KIND
from tintype.pipeline.amazon.account import amazons_errors
from tintype.pipeline.amazon.remote import Remote
from tintype.records import Measurement
from tintype.storage import storage_errors
from tintype.workspace import Workspace

Json = dict[str, Any]

PARTS = ("output/", "debug-output/", "profiler-output/", "rule-output/")


def bring_home(workspace: Workspace, remote: Remote, description: Json) -> Job:
    """Download the artifacts of an ended job and make its record. `Conflict` when there is a job of its name here."""
    job = job_of(description, str(workspace.job_directory(description["TrainingJobName"])))
    download(workspace, remote, description)
    workspace.records.create(KIND, job.name, job.to_json(), status=job.status)
    workspace.records.measure(
        job.name,
        [
            Measurement(one["MetricName"], 1, one["Value"], one["Timestamp"].timestamp())
            for one in description.get("FinalMetricDataList", ())
        ],
    )
    return job


def job_of(description: Json, directory: str) -> Job:
    """The record of a job that ended there."""
    status = Status(description["TrainingJobStatus"])
    times = {
        field: description[member].timestamp()
        for field, member in (
            ("created_at", "CreationTime"), ("started_at", "TrainingStartTime"), ("ended_at", "TrainingEndTime"),
        )
        if member in description
    }  # fmt: skip
    job = Job(
        description["TrainingJobName"],
        directory,
        dict(description.get("HyperParameters", {})),
        status=status,
        phase=LAST_PHASE[status],
        failure_reason=description.get("FailureReason", ""),
        **times,
    )
    ended = Transition(job.phase, f"on SageMaker: {description['TrainingJobArn']}", job.created_at, job.ended_at)
    return replace(job, transitions=(ended,))


def download(workspace: Workspace, remote: Remote, description: Json) -> None:
    """The job's objects to where they would be had it run here."""
    name = description["TrainingJobName"]
    directory = JobDirectory(workspace.job_directory(name))
    bucket, _, path = description["OutputDataConfig"]["S3OutputPath"].removeprefix("s3://").partition("/")
    prefix = f"{path.rstrip('/')}/{name}/" if path.rstrip("/") else f"{name}/"
    with amazons_errors(), storage_errors(directory.root):
        pages = remote.s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        for key in (one["Key"] for page in pages for one in page.get("Contents", ())):
            relative = key.removeprefix(prefix)
            if relative.startswith(PARTS) and ".." not in relative.split("/"):
                target = directory.root / relative.removeprefix("output/")
                target.parent.mkdir(parents=True, exist_ok=True)
                remote.s3.download_file(bucket, key, str(target))
