"""SageMaker's Search, over training jobs and tuning jobs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tintype.jobs.store import KIND
from tintype.web.api import tags, training_jobs, tuning_jobs
from tintype.web.api.operation import Members
from tintype.web.api.paging import page_of
from tintype.web.api.search_expressions import is_found, sort_key, value_at
from tintype.web.context import Context
from tintype.web.faults import AwsFault

PAGE = 200
# Search's names for members that a description calls otherwise.
ALIASES = {"Metrics": "FinalMetricDataList"}
# Members of a description that a search result does not have.
NOT_SHOWN = frozenset({
    *ALIASES, "ProfilingStatus", "ProfilerRuleConfigurations", "ProfilerRuleEvaluationStatuses", "RemoteDebugConfig",
    "InfraCheckConfig", "Autotune",
})  # fmt: skip
KINDS = ("TrainingJob", "HyperParameterTuningJob")


def search(context: Context, request: Members) -> Members:
    """A page of the jobs that an expression finds; newest change first unless SortBy says otherwise."""
    resource = request["Resource"]
    if resource not in KINDS:
        raise AwsFault("ValidationException", f"Search is over {' and '.join(KINDS)} here, not over {resource}")
    page, expression = page_of(request, context.now().timestamp()), request.get("SearchExpression")
    found = [one for one in _every(context, resource) if is_found(one, expression)]
    by, descending = request.get("SortBy", "LastModifiedTime"), request.get("SortOrder", "Descending") == "Descending"
    found.sort(key=lambda one: sort_key(value_at(one, by)), reverse=descending)
    shown, token = page.cut(found[page.offset : page.offset + page.to_fetch])
    results = [{resource: _shown(one)} for one in shown]
    return {"Results": results, "TotalHits": {"Value": len(found), "Relation": "EqualTo"}, **token}


def _every(context: Context, resource: str) -> Iterator[Members]:
    if resource == "TrainingJob":
        for one in _training_jobs(context):
            yield _searchable(context, one, one["TrainingJobArn"])
        return
    for seen in tuning_jobs.every(context):
        one = tuning_jobs.describe(context, seen)
        yield _searchable(context, one, one["HyperParameterTuningJobArn"])


def _training_jobs(context: Context) -> Iterator[Members]:
    offset = 0
    while records := context.workspace.records.list(KIND, limit=PAGE, offset=offset):
        for record in records:
            yield training_jobs.describe(context, record)
        offset += len(records)


def _searchable(context: Context, one: Members, arn: str) -> Members:
    given = tags.as_members(tags.tags_of(context.workspace.records, arn))
    aliased = {alias: one[member] for alias, member in ALIASES.items() if member in one}
    return {**one, **aliased, **({"Tags": given} if given else {})}


def _shown(one: Mapping[str, Any]) -> Members:
    return {name: value for name, value in one.items() if name not in NOT_SHOWN}
