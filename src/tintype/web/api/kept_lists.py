"""Lists of what is kept as records by name: models, endpoint configurations, transform jobs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tintype.records import Record, SortBy
from tintype.web.api.listing import filters_of, sorting_of
from tintype.web.api.paging import page_of
from tintype.web.context import Context


def kept_list(context: Context, kind: str, request: Mapping[str, Any]) -> tuple[list[Record], dict[str, str]]:
    """The records on the page that a List request asks for, and the NextToken as a member where there is one."""
    page = page_of(request, context.now().timestamp())
    sort_by, ascending = sorting_of(request, SortBy.CREATION_TIME)
    found = context.workspace.records.list(
        kind,
        sort_by=sort_by,
        ascending=ascending,
        limit=page.to_fetch,
        offset=page.offset,
        **filters_of(request, page),
    )
    return page.cut(found)
