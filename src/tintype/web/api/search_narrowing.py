"""What of a SearchExpression the store can look up itself, so that not every job is read. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, final

from tintype.records import SortBy
from tintype.records.lists import Filters

Json = Mapping[str, Any]


@final
@dataclass(frozen=True)
class Columns:
    """The members of a description that are columns of its record. `status` is None where only looking tells it."""

    name: str
    status: str | None
    orders: Mapping[str, SortBy]            # what SortBy of a request can be left to the store


@final
@dataclass(frozen=True)
class Narrowed:
    """`filters` let through whatever the expression finds; when they are `exact`, nothing else besides."""

    filters: Filters
    exact: bool


EVERYTHING = Narrowed({}, exact=False)


def narrowed(expression: Json | None, columns: Columns) -> Narrowed:
    """The part of an expression that filters of the store can stand for. Those that it misunderstands are left."""
    if not expression:
        return Narrowed({}, exact=True)
    if expression.get("Operator") == "Or":
        return EVERYTHING
    filters: Filters = {}
    left = bool(expression.get("NestedFilters") or expression.get("SubExpressions"))
    for one in expression.get("Filters") or ():
        found = _narrowed(one, columns)
        if found.filters.keys() & filters.keys():       # two of one kind: the second is looked at afterwards
            left = True
            continue
        filters.update(found.filters)
        left = left or not found.exact
    return Narrowed(filters, exact=not left)


def mentioned(expression: Json | None) -> Iterator[str]:
    """The members that an expression looks at, each the first part of its path."""
    if not expression:
        return
    for one in (*(expression.get("Filters") or ()), *_nested(expression.get("NestedFilters") or ())):
        yield str(one["Name"]).partition(".")[0]
    for one in expression.get("SubExpressions") or ():
        yield from mentioned(one)


def _nested(lists: Sequence[Json]) -> Iterator[Json]:
    for one in lists:
        yield {"Name": one["NestedPropertyName"]}


def _narrowed(one: Json, columns: Columns) -> Narrowed:
    name, operator, value = one["Name"], one.get("Operator", "Equals"), one.get("Value")
    if value is None:
        return EVERYTHING
    match operator:
        case "Contains" if name == columns.name:
            return Narrowed({"name_contains": value}, exact=bool(value))
        case "Equals" if name == columns.name:
            return Narrowed({"name_contains": value}, exact=False)
        case "Equals" if name == columns.status:
            return Narrowed({"status": value}, exact=True)
        case "In" if name == columns.status:
            return Narrowed({"status": tuple(each.strip() for each in value.split(","))}, exact=True)
        case _ if name in ("CreationTime", "LastModifiedTime") and name in columns.orders:
            return _since(name, operator, value)
        case _:
            return EVERYTHING


def _since(name: str, operator: str, value: str) -> Narrowed:
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:                                  # said by whoever looks at each
        return EVERYTHING
    # A description's times are whole milliseconds, a record's are not: a second more is let through.
    seconds = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    match name, operator:
        case "CreationTime", "GreaterThan" | "GreaterThanOrEqualTo":
            return Narrowed({"created_after": seconds - 1}, exact=False)
        case "CreationTime", "LessThan" | "LessThanOrEqualTo":
            return Narrowed({"created_before": seconds + 1}, exact=False)
        case _, "GreaterThan" | "GreaterThanOrEqualTo":
            return Narrowed({"changed_after": seconds - 1}, exact=False)
        case _, "LessThan" | "LessThanOrEqualTo":
            return Narrowed({"changed_before": seconds + 1}, exact=False)
        case _:
            return EVERYTHING
