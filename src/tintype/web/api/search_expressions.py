"""SageMaker's SearchExpression over a description. Pure.

A filter names a member by its path, such as `TrainingJobStatus`, `HyperParameters.lr`, `Tags.team` or `Metrics.loss`.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from tintype.errors import InvalidRequest

Json = Mapping[str, Any]

ORDERED = {
    "GreaterThan": lambda a, b: a > b,
    "GreaterThanOrEqualTo": lambda a, b: a >= b,
    "LessThan": lambda a, b: a < b,
    "LessThanOrEqualTo": lambda a, b: a <= b,
}


def is_found(description: Json, expression: Json | None) -> bool:
    """Whether a description is what the expression looks for."""
    if not expression:
        return True
    parts = [
        *(_holds(description, one) for one in expression.get("Filters") or ()),
        *(_nested(description, one) for one in expression.get("NestedFilters") or ()),
        *(is_found(description, one) for one in expression.get("SubExpressions") or ()),
    ]
    return any(parts) if expression.get("Operator") == "Or" else all(parts)


def value_at(description: Json, path: str) -> Any:
    """The member at a path; None when it is not there. Lists of names and values are looked up by name."""
    value: Any = description
    parts = path.split(".")
    for index, part in enumerate(parts):
        rest = ".".join(parts[index:])
        match value:
            case Mapping() if part in value:
                value = value[part]
            case Mapping():
                return value.get(rest)              # a hyperparameter may have a dot in its name
            case list():
                return _named(value, rest)
            case _:
                return None
    return value


def sort_key(value: Any) -> tuple[int, Any]:
    """For sorting by a member that may be missing, or be of another kind here and there."""
    match value:
        case None:
            return (0, "")
        case bool() | int() | float():
            return (1, float(value))
        case datetime():
            return (1, value.timestamp())
        case _:
            return (2, str(value))


def _nested(description: Json, one: Json) -> bool:
    """Some item of a list has all of the properties, whose names repeat the list's."""
    name = one["NestedPropertyName"]
    items = value_at(description, name)
    filters = [{**each, "Name": each["Name"].removeprefix(f"{name}.")} for each in one["Filters"]]
    return isinstance(items, list) and any(all(_holds(item, each) for each in filters) for item in items)


def _holds(description: Json, one: Json) -> bool:
    found, operator, wanted = value_at(description, one["Name"]), one.get("Operator", "Equals"), one.get("Value")
    if operator in ("Exists", "NotExists"):
        return (found is not None) is (operator == "Exists")
    if wanted is None:
        raise InvalidRequest(f"the filter on {one['Name']!r} has no Value")
    if found is None:
        return operator == "NotEquals"
    match operator:
        case "Equals" | "NotEquals":
            return _equal(found, wanted) is (operator == "Equals")
        case "Contains":
            return wanted.lower() in str(found).lower()
        case "In":
            return any(_equal(found, each.strip()) for each in wanted.split(","))
        case _:
            return _compare(operator, found, wanted)


def _equal(found: Any, wanted: str) -> bool:
    if isinstance(found, bool):
        return wanted.lower() == str(found).lower()
    if isinstance(found, int | float):
        return found == _number(wanted)
    return str(found) == wanted


def _compare(operator: str, found: Any, wanted: str) -> bool:
    if isinstance(found, datetime):
        return ORDERED[operator](found, _moment(wanted, found))
    number = _number(wanted)
    value = found if isinstance(found, int | float) else _number(str(found))
    return number is not None and value is not None and ORDERED[operator](value, number)


def _moment(text: str, like: datetime) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise InvalidRequest(f"{text!r} is no time, which is like 2026-01-31T12:00:00Z") from error
    return moment if moment.tzinfo else moment.replace(tzinfo=like.tzinfo)


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _named(items: list[Any], name: str) -> Any:
    """In lists such as Tags and FinalMetricDataList: the value beside a name."""
    for item in items:
        if isinstance(item, Mapping) and name in (item.get("Key"), item.get("MetricName"), item.get("ChannelName")):
            return item.get("Value", item)
    values = [item[name] for item in items if isinstance(item, Mapping) and name in item]
    return values[0] if values else None
