"""Training jobs: created, described, listed, stopped, deleted."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from tintype.errors import Conflict
from tintype.jobs.hyperparameters import decode
from tintype.jobs.job import Job, JobSpec
from tintype.jobs.store import KIND
from tintype.pipeline.records_beside import forget_beside
from tintype.pipeline.tuning_plan import OBJECTIVE_HYPERPARAMETER
from tintype.records import Record, SortBy
from tintype.storage import storage_errors
from tintype.web.api import tags
from tintype.web.api.kept_requests import TRAINING_REQUEST, claimed, training_request
from tintype.web.api.listing import filters_of, sorting_of
from tintype.web.api.operation import Members
from tintype.web.api.outputs import show_outputs
from tintype.web.api.paging import page_of
from tintype.web.api.surroundings import Surroundings, surroundings
from tintype.web.api.training_description import described, summarised, training_job_arn
from tintype.web.api.training_spec import training_spec
from tintype.web.api.watching import debugged, measured
from tintype.web.context import Context
from tintype.web.engine_at_hand import tell_engine
from tintype.web.faults import AwsFault

DELETED = ".deleted"            # below the jobs: the files of those that were deleted and whose names were taken again
MISSING = "Requested resource not found."


def create_training_job(context: Context, request: Members) -> Members:
    """Accepted when all that can be known is right; it runs as soon as there is room."""
    name = request["TrainingJobName"]
    workspace = context.workspace
    if workspace.records.find(KIND, name) is not None:
        raise AwsFault(
            "ResourceInUse",
            "Job name must be unique within an AWS account and region, and a job with this name already exists "
            f"({training_job_arn(context.account, name)})",
        )
    around = surroundings(context, name)
    spec = spec_of(context, request, name, around)
    with claimed(workspace.records, TRAINING_REQUEST, name, request):
        _clear_away(workspace.job_directory(name))
        show_outputs(context, request, name)
        with workspace.engine() as engine:
            engine.enter(spec, name)
    arn = training_job_arn(context.account, name)
    tags.put(workspace.records, arn, request.get("Tags") or [])
    tell_engine(workspace)
    return {"TrainingJobArn": arn}


def spec_of(context: Context, request: Mapping[str, Any], name: str, around: Surroundings) -> JobSpec:
    """The whole of what the engine is told for a request."""
    spec = training_spec(request, around)
    spec = replace(spec, environment={**spec.environment, "TRAINING_JOB_ARN": training_job_arn(context.account, name)})
    return measured(debugged(spec, request, name, around), request, name, around)


def describe_training_job(context: Context, request: Members) -> Members:
    """Everything about one job."""
    return describe(context, found(context, request["TrainingJobName"]))


def describe(context: Context, record: Record, *, measured: bool = True) -> Members:
    """The description of a job from its record; without its metrics where nobody asks for them."""
    records, job = context.workspace.records, Job.from_json(record.document)
    request = training_request(records, context.account, job)
    return described(
        job,
        request,
        context.account,
        changed_at=record.updated_at,
        metrics=records.latest(job.name) if measured else (),
        objective=_objective(job),
    )


def list_training_jobs(context: Context, request: Members) -> Members:
    """A page of all jobs, those of tuning jobs among them."""
    page = page_of(request, context.now().timestamp())
    sort_by, ascending = sorting_of(request, SortBy.CREATION_TIME)
    records = context.workspace.records.list(
        KIND,
        sort_by=sort_by,
        ascending=ascending,
        limit=page.to_fetch,
        offset=page.offset,
        **filters_of(request, page),
    )
    shown, token = page.cut(records)
    summaries = [
        summarised(Job.from_json(one.document), context.account, changed_at=one.updated_at) for one in shown
    ]
    return {"TrainingJobSummaries": summaries, **token}


def stop_training_job(context: Context, request: Members) -> Members:
    """SIGTERM now, SIGKILL after two minutes. A job that is being stopped already is left to that."""
    job = Job.from_json(found(context, request["TrainingJobName"]).document)
    try:
        context.workspace.jobs.request_stop(job.name)
    except Conflict as error:
        status = context.workspace.jobs.get(job.name).status
        raise AwsFault(
            "ValidationException", f"The request was rejected because the training job is in status {status}"
        ) from error
    tell_engine(context.workspace)
    return {}


def delete_training_job(context: Context, request: Members) -> Members:
    """The job is forgotten; its files, which are the objects in its output path, stay."""
    job = Job.from_json(found(context, request["TrainingJobName"]).document)
    if not job.status.is_finished:
        raise AwsFault("ResourceInUse", f"Training job {job.name} is {job.status.value}; stop it, and wait for that")
    records = context.workspace.records
    records.delete(KIND, job.name, measurements=True)
    forget_beside(records, KIND, job.name)
    return {}


def update_training_job(context: Context, request: Members) -> Members:
    """What the profiler is to do cannot be changed in a running job; only what changes nothing is accepted."""
    job = Job.from_json(found(context, request["TrainingJobName"]).document)
    if job.status.is_finished:
        raise AwsFault("ValidationException", f"Training job {job.name} is {job.status.value}; it cannot be updated")
    for member in ("ProfilerConfig", "ProfilerRuleConfigurations", "RemoteDebugConfig"):
        if request.get(member):
            raise AwsFault("ValidationException", f"{member} of a job that runs cannot be changed here")
    return {"TrainingJobArn": training_job_arn(context.account, job.name)}


def found(context: Context, name: str) -> Record:
    """The record of a training job; SageMaker's own words when there is none."""
    record = context.workspace.records.find(KIND, name)
    if record is None:
        raise AwsFault("ValidationException", MISSING)
    return record


def _objective(job: Job) -> str:
    return str(decode(str(job.hyperparameters.get(OBJECTIVE_HYPERPARAMETER, "")))) if job.parent else ""


def _clear_away(directory: Path) -> None:
    """A deleted job's files are there still, and its name is taken again: they make room."""
    if not directory.exists():
        return
    with storage_errors(directory):
        place = directory.parent / DELETED / f"{directory.name}-{os.stat(directory).st_mtime_ns}"
        place.parent.mkdir(exist_ok=True)
        directory.rename(place)
