"""The members that SageMaker's lists have in common: filters, times, order."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tintype.records import SortBy
from tintype.records.lists import Filters
from tintype.web.api.moments import seconds_of
from tintype.web.api.paging import Page


def filters_of(request: Mapping[str, Any], page: Page) -> Filters:
    """How the request narrows the list; nothing on it is newer than the first page."""
    before = seconds_of(request.get("CreationTimeBefore"))
    return {
        "status": request.get("StatusEquals"),
        "name_contains": request.get("NameContains") or None,
        "created_after": seconds_of(request.get("CreationTimeAfter")),
        "created_before": page.as_of if before is None else min(before, page.as_of),
        "changed_after": seconds_of(request.get("LastModifiedTimeAfter")),
        "changed_before": seconds_of(request.get("LastModifiedTimeBefore")),
    }


def sorting_of(request: Mapping[str, Any], default: SortBy) -> tuple[SortBy, bool]:
    """By what, and whether ascending. Names are in their order, times newest first, unless the request says so."""
    sort_by = SortBy(request.get("SortBy", default.value))
    order = request.get("SortOrder") or ("Ascending" if sort_by is SortBy.NAME else "Descending")
    return sort_by, order == "Ascending"
