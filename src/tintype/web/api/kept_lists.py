"""Lists of what is kept as records by name: models, endpoint configurations, transform jobs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tintype.records import Record
from tintype.records.record import SortBy
from tintype.web.api.moments import seconds_of
from tintype.web.api.paging import page_of
from tintype.web.context import Context

NEWEST_FIRST = "Descending"
SORTS: Mapping[str, SortBy] = {
    "Name": SortBy.NAME,
    "CreationTime": SortBy.CREATION_TIME,
    "LastModifiedTime": SortBy.LAST_MODIFIED_TIME,
    "Status": SortBy.STATUS,
}


def kept_list(context: Context, kind: str, request: Mapping[str, Any]) -> tuple[list[Record], dict[str, str]]:
    """The records on the page that a List request asks for, and the NextToken as a member where there is one."""
    page = page_of(request, context.now().timestamp())
    before = seconds_of(request.get("CreationTimeBefore"))
    found = context.workspace.records.list(
        kind,
        sort_by=SORTS[request.get("SortBy", "CreationTime")],
        ascending=request.get("SortOrder", NEWEST_FIRST) != NEWEST_FIRST,
        limit=page.to_fetch,
        offset=page.offset,
        status=request.get("StatusEquals"),
        name_contains=request.get("NameContains"),
        created_after=seconds_of(request.get("CreationTimeAfter")),
        created_before=page.as_of if before is None else min(before, page.as_of),
        changed_after=seconds_of(request.get("LastModifiedTimeAfter")),
        changed_before=seconds_of(request.get("LastModifiedTimeBefore")),
    )
    return page.cut(found)
