"""Search, through boto3 and by itself."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from tests.web.api.serving import Api
from tests.web.api.test_training_jobs import refused
from tintype.web.api.search_expressions import is_found

JOB: dict[str, Any] = {
    "TrainingJobName": "dogs-1",
    "TrainingJobStatus": "Completed",
    "CreationTime": datetime(2026, 1, 31, 12, tzinfo=UTC),
    "HyperParameters": {"lr": "0.01", "a.b": "x"},
    "FinalMetricDataList": [{"MetricName": "loss", "Value": 0.5}],
    "Metrics": [{"MetricName": "loss", "Value": 0.5}],
    "Tags": [{"Key": "team", "Value": "dogs"}],
    "InputDataConfig": [{"ChannelName": "train"}],
    "EnableNetworkIsolation": False,
}


def one(name: str, operator: str, value: str | None = None) -> dict[str, Any]:
    return {"Name": name, "Operator": operator, **({} if value is None else {"Value": value})}


@pytest.mark.parametrize(
    ("filter_", "found"),
    [
        (one("TrainingJobStatus", "Equals", "Completed"), True),
        (one("TrainingJobStatus", "In", "Failed, Completed"), True),
        (one("TrainingJobName", "Contains", "DOGS"), True),
        (one("TrainingJobName", "NotEquals", "dogs-1"), False),
        (one("HyperParameters.lr", "LessThan", "0.1"), True),
        (one("HyperParameters.a.b", "Equals", "x"), True),
        (one("HyperParameters.momentum", "Exists"), False),
        (one("HyperParameters.momentum", "NotExists"), True),
        (one("Metrics.loss", "GreaterThanOrEqualTo", "0.5"), True),
        (one("Metrics.loss", "Equals", "0.50"), True),
        (one("Tags.team", "Equals", "dogs"), True),
        (one("CreationTime", "GreaterThan", "2026-01-31T11:00:00Z"), True),
        (one("CreationTime", "GreaterThan", "2026-02-01"), False),
        (one("EnableNetworkIsolation", "Equals", "false"), True),
        (one("Nothing.at.all", "Equals", "1"), False),
    ],
)
def test_a_filter(filter_: dict[str, Any], found: bool) -> None:
    assert is_found(JOB, {"Filters": [filter_]}) is found


def test_expressions_within_expressions() -> None:
    yes, no = one("TrainingJobName", "Equals", "dogs-1"), one("TrainingJobName", "Equals", "cats")
    assert not is_found(JOB, {"Filters": [yes, no]})
    assert is_found(JOB, {"Filters": [yes, no], "Operator": "Or"})
    assert is_found(JOB, {"Filters": [yes], "SubExpressions": [{"Filters": [no, yes], "Operator": "Or"}]})
    nested = {
        "NestedPropertyName": "InputDataConfig",
        "Filters": [one("InputDataConfig.ChannelName", "Equals", "train")],
    }
    assert is_found(JOB, {"NestedFilters": [nested]})
    assert is_found(JOB, None)


def test_jobs_are_found_over_the_wire(api: Api) -> None:
    for number in range(3):
        hyperparameters = {"number": str(number)}
        api.train(f"sought-{number}", "print(1)", HyperParameters=hyperparameters, Tags=[{"Key": "n", "Value": "v"}])
    filters = [one("TrainingJobName", "Contains", "sought"), one("Tags.n", "Equals", "v")]
    request = {
        "Resource": "TrainingJob", "SearchExpression": {"Filters": filters}, "SortBy": "HyperParameters.number",
        "SortOrder": "Ascending",
    }  # fmt: skip
    pages = api.sagemaker.get_paginator("search").paginate(**request, PaginationConfig={"PageSize": 2})
    found = [[each["TrainingJob"]["TrainingJobName"] for each in page["Results"]] for page in pages]
    assert found == [["sought-0", "sought-1"], ["sought-2"]]
    assert refused(api.sagemaker.search, Resource="Pipeline")[0] == "ValidationException"
    assert api.sagemaker.search(Resource="HyperParameterTuningJob", MaxResults=1)["TotalHits"]["Value"] >= 0


def test_a_page_in_the_order_of_time_reads_no_more_than_it_needs(api: Api) -> None:
    for number in range(4):
        api.train(f"timed-{number}", "print(1)", HyperParameters={"even": str(number % 2 == 0)})

    def found(*filters: dict[str, Any], **more: Any) -> tuple[list[str], dict[str, Any]]:
        expression = {"Filters": [one("TrainingJobName", "Contains", "timed"), *filters]}
        answer = api.sagemaker.search(
            Resource="TrainingJob", SearchExpression=expression,
            **{"SortBy": "CreationTime", "SortOrder": "Ascending", **more},
        )  # fmt: skip
        return [each["TrainingJob"]["TrainingJobName"] for each in answer["Results"]], answer["TotalHits"]

    everything = [f"timed-{number}" for number in range(4)]
    assert found() == (everything, {"Value": 4, "Relation": "EqualTo"})
    assert found(SortOrder="Descending", MaxResults=1) == (everything[-1:], {"Value": 4, "Relation": "EqualTo"})
    assert found(one("TrainingJobStatus", "Equals", "Failed")) == ([], {"Value": 0, "Relation": "EqualTo"})
    even = one("HyperParameters.even", "Equals", "True")
    assert found(even) == (["timed-0", "timed-2"], {"Value": 2, "Relation": "EqualTo"})
    assert found(even, MaxResults=1) == (["timed-0"], {"Value": 2, "Relation": "GreaterThanOrEqualTo"})
    assert found(one("TrainingJobName", "Equals", "timed-3"))[0] == ["timed-3"]
    assert found(one("CreationTime", "GreaterThan", "2126-01-01T00:00:00Z"))[0] == []
    assert found(one("SecondaryStatus", "Equals", "Completed"), SortBy="TrainingJobName")[0] == everything
    assert found(SortBy="HyperParameters.even", MaxResults=1)[0] == ["timed-1"]
