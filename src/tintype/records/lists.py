"""The queries behind lists: narrowed, sorted, cut into pages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypedDict

import sqlalchemy as sql

from tintype.records.record import SortBy
from tintype.records.tables import documents
from tintype.records.text_search import contains


class Filters(TypedDict, total=False):
    """How a list may be narrowed. None and what is left out narrow nothing. Times are seconds since the epoch, UTC."""

    status: str | tuple[str, ...] | None        # this one, or one of these
    parent: str | None                          # "" for records without one
    name_contains: str | None                   # whatever the case of its letters
    created_after: float | None                 # at this time or later
    created_before: float | None                # at this time or earlier
    changed_after: float | None
    changed_before: float | None


ORDERS: Mapping[SortBy, tuple[sql.Column[Any], ...]] = {       # each is an index's
    SortBy.CREATION_TIME: (documents.c.created_at, documents.c.name),
    SortBy.NAME: (documents.c.name,),
    SortBy.STATUS: (documents.c.status, documents.c.created_at, documents.c.name),
    SortBy.LAST_MODIFIED_TIME: (documents.c.updated_at, documents.c.name),
}


def page(
    kind: str, filters: Filters, *, sort_by: SortBy, ascending: bool, limit: int | None, offset: int
) -> sql.Select[*tuple[Any, ...]]:
    """The documents on one page of a list, in its order."""
    order = [column.asc() if ascending else column.desc() for column in ORDERS[sort_by]]
    chosen = sql.select(documents.c.name).where(*_conditions(kind, filters)).order_by(*order).offset(offset)
    # Which rows they are is found in an index; only then are documents read.
    names = (chosen if limit is None else chosen.limit(limit)).subquery()
    joined = documents.join(names, documents.c.name == names.c.name)
    return sql.select(documents).select_from(joined).where(documents.c.kind == kind).order_by(*order)


def total(kind: str, filters: Filters) -> sql.Select[int]:
    """How many there are on all pages."""
    return sql.select(sql.func.count()).select_from(documents).where(*_conditions(kind, filters))


def _conditions(kind: str, filters: Filters) -> list[sql.ColumnElement[bool]]:
    found: list[sql.ColumnElement[bool]] = [documents.c.kind == kind]
    if (status := filters.get("status")) is not None:
        found.append(documents.c.status.in_((status,) if isinstance(status, str) else status))
    if (parent := filters.get("parent")) is not None:
        found.append(documents.c.parent == parent)
    if text := filters.get("name_contains"):
        found.append(contains(documents.c.name, text))
    for column, after, before in (
        (documents.c.created_at, filters.get("created_after"), filters.get("created_before")),
        (documents.c.updated_at, filters.get("changed_after"), filters.get("changed_before")),
    ):
        if after is not None:
            found.append(column >= after)
        if before is not None:
            found.append(column <= before)
    return found
