"""What of a SearchExpression the store looks up itself."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from tests.web.api.test_search import one
from tintype.records import SortBy
from tintype.web.api.search_narrowing import Columns, mentioned, narrowed

COLUMNS = Columns(
    "TrainingJobName", "TrainingJobStatus",
    {"CreationTime": SortBy.CREATION_TIME, "LastModifiedTime": SortBy.LAST_MODIFIED_TIME},
)  # fmt: skip
NOON = datetime(2026, 1, 31, 12, tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("filters", "found", "exact"),
    [
        ([], {}, True),
        ([one("TrainingJobStatus", "Equals", "Failed")], {"status": "Failed"}, True),
        ([one("TrainingJobStatus", "In", "Failed, Stopped")], {"status": ("Failed", "Stopped")}, True),
        ([one("TrainingJobStatus", "NotEquals", "Failed")], {}, False),
        ([one("TrainingJobName", "Contains", "dog")], {"name_contains": "dog"}, True),
        ([one("TrainingJobName", "Equals", "dogs-1")], {"name_contains": "dogs-1"}, False),
        ([one("TrainingJobName", "Contains", each) for each in "ab"], {"name_contains": "a"}, False),
        ([one("CreationTime", "GreaterThan", "2026-01-31T12:00:00Z")], {"created_after": NOON - 1}, False),
        ([one("LastModifiedTime", "LessThan", "2026-01-31T12:00:00")], {"changed_before": NOON + 1}, False),
        ([one("CreationTime", "GreaterThan", "yesterday")], {}, False),
        ([one("HyperParameters.lr", "Exists")], {}, False),
        ([one("TrainingJobStatus", "Equals", "Failed"), one("Tags.a", "Exists")], {"status": "Failed"}, False),
    ],
)  # fmt: skip
def test_filters(filters: list[dict[str, Any]], found: dict[str, Any], exact: bool) -> None:
    narrow = narrowed({"Filters": filters}, COLUMNS)
    assert (narrow.filters, narrow.exact) == (found, exact)


def test_either_and_expressions_within_are_left_to_a_look_at_each() -> None:
    failed = one("TrainingJobStatus", "Equals", "Failed")
    either = narrowed({"Filters": [failed], "Operator": "Or"}, COLUMNS)
    assert (either.filters, either.exact) == ({}, False)
    within = narrowed({"Filters": [failed], "SubExpressions": [{"Filters": [failed]}]}, COLUMNS)
    assert (within.filters, within.exact) == ({"status": "Failed"}, False)
    assert narrowed(None, COLUMNS).exact


def test_members_that_are_looked_at() -> None:
    expression = {
        "Filters": [one("HyperParameters.lr", "Exists")],
        "NestedFilters": [{"NestedPropertyName": "InputDataConfig", "Filters": [one("InputDataConfig.X", "Exists")]}],
        "SubExpressions": [{"Filters": [one("Tags.team", "Exists")]}],
    }
    assert set(mentioned(expression)) == {"HyperParameters", "InputDataConfig", "Tags"}
    assert set(mentioned(None)) == set()
