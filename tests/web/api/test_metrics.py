"""CloudWatch metrics and SageMaker Metrics through boto3."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.web.api.serving import Api
from tests.web.api.test_training_jobs import refused

NAMESPACE = "/aws/sagemaker/TrainingJobs"
METRICS = [{"Name": "loss", "Regex": "loss=([0-9.]+)"}, {"Name": "accuracy", "Regex": "accuracy=([0-9.]+)"}]


@pytest.fixture(scope="session")
def measured(api: Api) -> dict[str, Any]:
    script = "[print(f'loss={value} accuracy={1 - value}') for value in (0.5, 0.25, 0.75)]"
    return api.train("Measured-1", script, AlgorithmSpecification={"MetricDefinitions": METRICS})


def asked(measured: dict[str, Any], **members: Any) -> dict[str, Any]:
    return {
        "Namespace": NAMESPACE,
        "MetricName": "loss",
        "Dimensions": [{"Name": "TrainingJobName", "Value": "Measured-1"}],
        "StartTime": measured["TrainingStartTime"],
        "EndTime": measured["TrainingEndTime"] + timedelta(minutes=1),
        "Period": 3600,
        **members,
    }


def test_statistics_of_a_job(api: Api, measured: dict[str, Any]) -> None:
    statistics = ["Average", "Minimum", "Maximum", "SampleCount", "Sum"]
    answer = api.cloudwatch.get_metric_statistics(
        **asked(measured, Statistics=statistics, ExtendedStatistics=["p50"])
    )
    assert answer["Label"] == "loss"
    (point,) = answer["Datapoints"]
    assert (point["Average"], point["Minimum"], point["Maximum"], point["Sum"]) == (0.5, 0.25, 0.75, 1.5)
    assert (point["SampleCount"], point["ExtendedStatistics"], point["Unit"]) == (3.0, {"p50": 0.5}, "None")
    assert point["Timestamp"] <= measured["TrainingStartTime"]


def test_several_metrics_at_once(api: Api, measured: dict[str, Any]) -> None:
    times = {"StartTime": measured["TrainingStartTime"], "EndTime": measured["TrainingEndTime"] + timedelta(minutes=1)}
    dimensions = [{"Name": "TrainingJobName", "Value": "Measured-1"}]
    queries = [
        {
            "Id": name,
            "MetricStat": {
                "Metric": {"Namespace": NAMESPACE, "MetricName": name, "Dimensions": dimensions},
                "Period": 3600,
                "Stat": "Minimum",
            },
        }
        for name in ("loss", "accuracy")
    ]
    results = api.cloudwatch.get_metric_data(MetricDataQueries=queries, **times)["MetricDataResults"]
    assert [(one["Id"], one["Values"], one["StatusCode"]) for one in results] == [
        ("loss", [0.25], "Complete"), ("accuracy", [0.25], "Complete"),
    ]  # fmt: skip
    expression = [{"Id": "e", "Expression": "loss*2"}]
    assert refused(api.cloudwatch.get_metric_data, MetricDataQueries=expression, **times)[0] == "ValidationError"


def test_metrics_are_listed(api: Api, measured: dict[str, Any]) -> None:
    dimensions = [{"Name": "TrainingJobName", "Value": "Measured-1"}]
    found = api.cloudwatch.list_metrics(Namespace=NAMESPACE, Dimensions=dimensions)["Metrics"]
    assert {one["MetricName"] for one in found} >= {"loss", "accuracy"}
    assert found[0]["Dimensions"] == dimensions
    assert api.cloudwatch.list_metrics(Namespace="Nobody's")["Metrics"] == []


def test_what_a_script_puts_there_comes_back(api: Api) -> None:
    at = datetime(2026, 1, 31, 12, tzinfo=UTC)
    dimensions = [{"Name": "run", "Value": "7"}]
    data = [
        {"MetricName": "f1", "Dimensions": dimensions, "Timestamp": at, "Value": 0.5},
        {"MetricName": "f1", "Dimensions": dimensions, "Timestamp": at, "Values": [0.8, 0.2], "Counts": [2, 1]},
    ]
    api.cloudwatch.put_metric_data(Namespace="Mine", MetricData=data)
    (point,) = api.cloudwatch.get_metric_statistics(
        Namespace="Mine", MetricName="f1", Dimensions=dimensions, StartTime=at, EndTime=at + timedelta(hours=1),
        Period=60, Statistics=["Sum", "SampleCount"],
    )["Datapoints"]  # fmt: skip
    assert (point["SampleCount"], point["Sum"]) == (4.0, pytest.approx(2.3))
    (one,) = api.cloudwatch.list_metrics(Namespace="Mine", MetricName="f1")["Metrics"]
    assert one["Dimensions"] == dimensions


def test_what_cannot_be_asked(api: Api, measured: dict[str, Any]) -> None:
    statistics = api.cloudwatch.get_metric_statistics
    assert refused(statistics, **asked(measured))[0] == "MissingParameter"
    same = {"EndTime": measured["TrainingStartTime"]}
    assert refused(statistics, **asked(measured, Statistics=["Sum"], **same))[0] == "InvalidParameterValue"
    no_value = [{"MetricName": "f1"}]
    assert refused(api.cloudwatch.put_metric_data, Namespace="Mine", MetricData=no_value)[0].startswith("InvalidParam")


def test_a_script_may_report_metrics_of_its_own_job(api: Api, measured: dict[str, Any]) -> None:
    client = api.client("sagemaker-metrics")
    data = [{"MetricName": "own", "Timestamp": measured["TrainingEndTime"], "Step": 3, "Value": 4.5}]
    answer = client.batch_put_metrics(TrialComponentName="measured-1-aws-training-job", MetricData=data)
    assert not answer.get("Errors")
    answer = client.batch_put_metrics(TrialComponentName="nobody-aws-training-job", MetricData=data)
    assert answer["Errors"] == [{"Code": "VALIDATION_ERROR", "MetricIndex": 0}]
    final = api.sagemaker.describe_training_job(TrainingJobName="Measured-1")["FinalMetricDataList"]
    assert ("own", 4.5) in [(one["MetricName"], one["Value"]) for one in final]
