"""Tuning jobs: created, described, listed with their trials, stopped, deleted.

The coordinator of a tuning job is a process of its own: it goes on when the server ends.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Mapping
from typing import Any

from tintype.errors import Conflict, NotFound
from tintype.jobs.job import Job, Status
from tintype.jobs.store import KIND as JOB_KIND
from tintype.pipeline import coordination
from tintype.pipeline.coordination import STOP_KIND, find_tuning
from tintype.pipeline.records_beside import forget_beside
from tintype.pipeline.tuning_plan import PLAN_KIND, load_plan
from tintype.records import Record, Records, SortBy
from tintype.tuning.analytics import final_objective
from tintype.tuning.earlier import WarmStartType
from tintype.tuning.state import TuningState, TuningStatus
from tintype.tuning.store import TRIAL_KIND, TUNING_KIND
from tintype.tuning.trial import Trial
from tintype.web.api import tags
from tintype.web.api.kept_requests import (
    TRAINING_REQUEST,
    TUNING_REQUEST,
    claimed,
    trial_request,
    wire_hyperparameters,
)
from tintype.web.api.listing import filters_of, sorting_of
from tintype.web.api.operation import Members
from tintype.web.api.paging import Page, page_of
from tintype.web.api.surroundings import surroundings
from tintype.web.api.tuning_description import Seen, described, summarised, trial_summary, tuning_job_arn
from tintype.web.api.tuning_request import tuning_request
from tintype.web.api.tuning_spec import tuning_plan
from tintype.web.context import Context
from tintype.web.faults import AwsFault

GOES_ON = (TuningStatus.IN_PROGRESS, TuningStatus.STOPPING)
SCAN = 50                       # tuning jobs that are read at once when a list is narrowed by status


def create_hyper_parameter_tuning_job(context: Context, request: Members) -> Members:
    """Accepted when all that can be known is right; its coordinator is on its way when this returns."""
    name, records = request["HyperParameterTuningJobName"], context.workspace.records
    if records.find(PLAN_KIND, name) is not None:
        raise AwsFault("ResourceInUse", f"A hyperparameter tuning job named {name} is there; choose another name")
    plan = tuning_plan(request, surroundings(context, name), _parents(records, request))
    with claimed(records, TUNING_REQUEST, name, request):
        coordination.begin(context.workspace, plan).leave()
    arn = tuning_job_arn(context.account, name)
    tags.put(records, arn, request.get("Tags") or [])
    return {"HyperParameterTuningJobArn": arn}


def describe_hyper_parameter_tuning_job(context: Context, request: Members) -> Members:
    """Everything about one tuning job."""
    return describe(context, seen(context, request["HyperParameterTuningJobName"]))


def describe(context: Context, found: Seen) -> Members:
    """The description of a tuning job that was read."""
    records, best = context.workspace.records, found.state.best
    job = _job(records, best.name) if best else None
    return described(found, context.account, job, _overall_best(context, found))


def list_hyper_parameter_tuning_jobs(context: Context, request: Members) -> Members:
    """A page of all tuning jobs. By status they can be narrowed and sorted only by looking at each."""
    page = page_of(request, context.now().timestamp())
    sort_by, ascending = sorting_of(request, SortBy.CREATION_TIME)
    wanted, passed = request.get("StatusEquals"), 0
    shown: list[Members] = []
    for record in _plans(context.workspace.records, request, page, sort_by, ascending):
        one = summarised(_seen(context, record), context.account)
        if wanted is None or one["HyperParameterTuningJobStatus"] == wanted:
            passed += 1
            if passed > page.offset:
                shown.append(one)
        if len(shown) == page.to_fetch and sort_by is not SortBy.STATUS:
            break
    if sort_by is SortBy.STATUS:
        shown.sort(key=lambda one: one["HyperParameterTuningJobStatus"], reverse=not ascending)
    shown, token = page.cut(shown)
    return {"HyperParameterTuningJobSummaries": shown, **token}


def list_training_jobs_for_hyper_parameter_tuning_job(context: Context, request: Members) -> Members:
    """A page of a tuning job's trials."""
    page = page_of(request, context.now().timestamp())
    found = seen(context, request["HyperParameterTuningJobName"])
    jobs = {one.name: Job.from_json(one.document) for one in _trial_jobs(context.workspace.records, found.state)}
    trials = [one for one in found.state.trials if request.get("StatusEquals") in (None, _status(one, jobs))]
    trials = _sorted(trials, jobs, request)[page.offset : page.offset + page.to_fetch]
    shown, token = page.cut([trial_summary(found, one, jobs.get(one.name), context.account) for one in trials])
    return {"TrainingJobSummaries": shown, **token}


def stop_hyper_parameter_tuning_job(context: Context, request: Members) -> Members:
    """Its trials are stopped, and no more are started. One that is being stopped already is left to that."""
    state = seen(context, request["HyperParameterTuningJobName"]).state
    try:
        coordination.request_stop(context.workspace.records, state.name)
    except Conflict as error:
        raise AwsFault(
            "ValidationException",
            f"The request was rejected because the hyperparameter tuning job is in status {state.status.value}",
        ) from error
    return {}


def delete_hyper_parameter_tuning_job(context: Context, request: Members) -> Members:
    """The tuning job is forgotten; its training jobs stay, with what they were asked."""
    found, records = seen(context, request["HyperParameterTuningJobName"]), context.workspace.records
    name = found.state.name
    if found.state.status in GOES_ON:
        raise AwsFault("ResourceInUse", f"The tuning job {name} is {found.state.status.value}; stop it, and wait")
    for record in _trial_jobs(records, found.state):
        job = Job.from_json(record.document)
        kept = trial_request(found.request, job.name, wire_hyperparameters(job))
        with contextlib.suppress(Conflict):
            records.create(TRAINING_REQUEST, job.name, kept)
    for trial in found.state.trials:
        records.delete(TRIAL_KIND, trial.name)
    forget_beside(records, PLAN_KIND, name)
    for kind in (TUNING_KIND, STOP_KIND, PLAN_KIND):
        with contextlib.suppress(NotFound):
            records.delete(kind, name)
    return {}


def seen(context: Context, name: str) -> Seen:
    """A tuning job as it is now; SageMaker's error when there is none."""
    record = context.workspace.records.find(PLAN_KIND, name)
    if record is None:
        raise AwsFault("ResourceNotFound", f"Amazon SageMaker can't find a tuning job with the name {name}.")
    return _seen(context, record)


def describe_record(context: Context, record: Record) -> Members:
    """The description of a tuning job from the record of its plan."""
    return describe(context, _seen(context, record))


def _seen(context: Context, record: Record) -> Seen:
    records, name = context.workspace.records, record.name
    state, plan = find_tuning(records, name), load_plan(records, name)
    tuning = records.find(TUNING_KIND, name)
    return Seen(
        plan,
        tuning_request(records, context.account, plan),
        TuningState(plan.settings) if state is None else state,
        record.created_at,
        record.updated_at if tuning is None else tuning.updated_at,
        {one.value: records.count(JOB_KIND, parent=name, status=one.value) for one in Status},
    )


def _plans(
    records: Records, request: Mapping[str, Any], page: Page, sort_by: SortBy, ascending: bool
) -> Iterator[Record]:
    filters = {**filters_of(request, page), "status": None, "changed_after": None, "changed_before": None}
    by = SortBy.CREATION_TIME if sort_by is SortBy.STATUS else sort_by
    offset = 0
    while found := records.list(PLAN_KIND, sort_by=by, ascending=ascending, limit=SCAN, offset=offset, **filters):
        yield from found
        offset += len(found)


def _parents(records: Records, request: Mapping[str, Any]) -> list[TuningState]:
    configuration = request.get("WarmStartConfig") or {}
    named = configuration.get("ParentHyperParameterTuningJobs") or ()
    return [coordination.tuning_state(records, one["HyperParameterTuningJobName"]) for one in named]


def _overall_best(context: Context, found: Seen) -> Members | None:
    """Of this tuning job and those that it began from, where they searched the same."""
    warm = found.state.settings.warm_start
    if warm is None or warm.type is not WarmStartType.IDENTICAL:
        return None
    records, better = context.workspace.records, found.state.settings.direction
    best, holder = found.state.best, found
    for name in warm.parents:
        if records.find(PLAN_KIND, name) is None:
            continue
        parent = seen(context, name)
        theirs = parent.state.best
        if theirs and (best is None or better.is_better(theirs.value or 0.0, best.value or 0.0)):
            best, holder = theirs, parent
    return trial_summary(holder, best, _job(records, best.name), context.account) if best else None


def _job(records: Records, name: str) -> Job | None:
    record = records.find(JOB_KIND, name)
    return None if record is None else Job.from_json(record.document)


def _trial_jobs(records: Records, state: TuningState) -> list[Record]:
    return records.list(JOB_KIND, parent=state.name)


def _status(trial: Trial, jobs: Mapping[str, Job]) -> str:
    job = jobs.get(trial.name)
    return trial.status.value if job is None else job.status.value


def _sorted(trials: list[Trial], jobs: Mapping[str, Job], request: Mapping[str, Any]) -> list[Trial]:
    by, descending = request.get("SortBy", "Name"), request.get("SortOrder") == "Descending"
    match by:
        case "FinalObjectiveMetricValue":
            # As SageMaker: those without a value are left out.
            valued = [one for one in trials if final_objective(one) is not None]
            return sorted(valued, key=lambda one: final_objective(one) or 0.0, reverse=descending)
        case "Status":
            return sorted(trials, key=lambda one: _status(one, jobs), reverse=descending)
        case "CreationTime":
            return sorted(trials, key=lambda one: _created_at(one, jobs), reverse=descending)
        case _:
            return sorted(trials, key=lambda one: one.name, reverse=descending)


def _created_at(trial: Trial, jobs: Mapping[str, Job]) -> float:
    job = jobs.get(trial.name)
    return math.inf if job is None else job.created_at
