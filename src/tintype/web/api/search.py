"""SageMaker's Search, over training jobs and tuning jobs.

What the store can look up, it does: the rest of an expression is looked for in one description after the other, in
the order that was asked for, until the page is full. Only an order that no index has needs all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Any, final

from tintype.jobs.job import Job
from tintype.jobs.store import KIND
from tintype.pipeline.tuning_plan import PLAN_KIND
from tintype.records import Record, SortBy
from tintype.records.lists import Filters
from tintype.web.api import tags, training_jobs, tuning_jobs
from tintype.web.api.operation import Members
from tintype.web.api.paging import Page, page_of
from tintype.web.api.search_expressions import is_found, sort_key, value_at
from tintype.web.api.search_narrowing import Columns, mentioned, narrowed
from tintype.web.api.training_description import SUMMARY, summarised
from tintype.web.context import Context
from tintype.web.faults import AwsFault

SCAN = 200                      # records that are read at once
# Search's names for members that a description calls otherwise.
ALIASES = {"Metrics": "FinalMetricDataList"}
ELSEWHERE = frozenset({*ALIASES, *ALIASES.values(), "Tags"})      # in records of their own
# Members of a description that a search result does not have.
NOT_SHOWN = frozenset({
    *ALIASES, "ProfilingStatus", "ProfilerRuleConfigurations", "ProfilerRuleEvaluationStatuses", "RemoteDebugConfig",
    "InfraCheckConfig", "Autotune",
})  # fmt: skip

Hits = tuple[list[Members], Members]        # those of the page and one more, and TotalHits


@final
@dataclass(frozen=True)
class Resource:
    """What can be searched: its records, and how one is described.

    In brief it has the members `in_brief` only; plainly all but its metrics and tags, which are looked up elsewhere.
    """

    kind: str
    columns: Columns
    arn: str
    describe: Callable[[Context, Record], Members]
    plainly: Callable[[Context, Record], Members]
    briefly: Callable[[Context, Record], Members]
    in_brief: frozenset[str] = frozenset()


def search(context: Context, request: Members) -> Members:
    """A page of the jobs that an expression finds; newest change first unless SortBy says otherwise."""
    resource = RESOURCES.get(request["Resource"])
    if resource is None:
        known = " and ".join(RESOURCES)
        raise AwsFault("ValidationException", f"Search is over {known} here, not over {request['Resource']}")
    page = page_of(request, context.now().timestamp())
    found, total = _hits(context, resource, page, request)
    shown, token = page.cut(found)
    return {"Results": [{request["Resource"]: _shown(one)} for one in shown], "TotalHits": total, **token}


def _hits(context: Context, resource: Resource, page: Page, request: Members) -> Hits:
    expression, by = request.get("SearchExpression"), request.get("SortBy", "LastModifiedTime")
    ascending = request.get("SortOrder", "Descending") == "Ascending"
    order, narrow = resource.columns.orders.get(by), narrowed(expression, resource.columns)
    before = narrow.filters.get("created_before")
    filters: Filters = {**narrow.filters, "created_before": min(page.as_of, page.as_of if before is None else before)}
    if order is not None and narrow.exact:
        records = context.workspace.records
        of_page = records.list(
            resource.kind, sort_by=order, ascending=ascending, limit=page.to_fetch, offset=page.offset, **filters
        )
        total = records.count(resource.kind, **filters)
        return [_described(context, resource, one) for one in of_page], _total(total, exact=True)
    every = _records(context, resource.kind, filters, order or SortBy.CREATION_TIME, ascending)
    if order is not None:
        passed = (one for one in every if _passes(context, resource, one, expression))
        first = list(islice(passed, page.offset + page.to_fetch))
        found = [_described(context, resource, one) for one in first[page.offset :]]
        return found, _total(len(first), exact=len(first) < page.offset + page.to_fetch)
    found = [one for one in (_described(context, resource, each) for each in every) if is_found(one, expression)]
    found.sort(key=lambda one: sort_key(value_at(one, by)), reverse=not ascending)
    return found[page.offset : page.offset + page.to_fetch], _total(len(found), exact=True)


def _records(context: Context, kind: str, filters: Filters, order: SortBy, ascending: bool) -> Iterator[Record]:
    seen: set[str] = set()                      # one that changes meanwhile moves the others to another place
    offset = 0
    while found := context.workspace.records.list(
        kind, sort_by=order, ascending=ascending, limit=SCAN, offset=offset, **filters
    ):
        yield from (one for one in found if one.name not in seen)
        seen.update(one.name for one in found)
        offset += len(found)


def _passes(context: Context, resource: Resource, record: Record, expression: Members | None) -> bool:
    members = frozenset(mentioned(expression))
    if members <= resource.in_brief:
        return is_found(resource.briefly(context, record), expression)
    if members.isdisjoint(ELSEWHERE):
        return is_found(resource.plainly(context, record), expression)
    return is_found(_described(context, resource, record), expression)


def _described(context: Context, resource: Resource, record: Record) -> Members:
    one = resource.describe(context, record)
    given = tags.as_members(tags.tags_of(context.workspace.records, one[resource.arn]))
    aliased = {alias: one[member] for alias, member in ALIASES.items() if member in one}
    return {**one, **aliased, **({"Tags": given} if given else {})}


def _shown(one: Mapping[str, Any]) -> Members:
    return {name: value for name, value in one.items() if name not in NOT_SHOWN}


def _total(count: int, *, exact: bool) -> Members:
    return {"Value": count, "Relation": "EqualTo" if exact else "GreaterThanOrEqualTo"}


def _training_job_in_brief(context: Context, record: Record) -> Members:
    return summarised(Job.from_json(record.document), context.account, changed_at=record.updated_at)


RESOURCES = {
    "TrainingJob": Resource(
        KIND,
        Columns(
            "TrainingJobName",
            "TrainingJobStatus",
            {
                "CreationTime": SortBy.CREATION_TIME,
                "LastModifiedTime": SortBy.LAST_MODIFIED_TIME,
                "TrainingJobName": SortBy.NAME,
                "TrainingJobStatus": SortBy.STATUS,
            },
        ),
        "TrainingJobArn",
        training_jobs.describe,
        partial(training_jobs.describe, measured=False),
        _training_job_in_brief,
        SUMMARY,
    ),
    # The record of a tuning job's plan stays as it was made: how it stands, and since when, is looked up for each.
    "HyperParameterTuningJob": Resource(
        PLAN_KIND,
        Columns(
            "HyperParameterTuningJobName",
            None,
            {"CreationTime": SortBy.CREATION_TIME, "HyperParameterTuningJobName": SortBy.NAME},
        ),
        "HyperParameterTuningJobArn",
        tuning_jobs.describe_record,
        tuning_jobs.describe_record,
        tuning_jobs.describe_record,
    ),
}
