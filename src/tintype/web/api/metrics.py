"""CloudWatch metrics: what training jobs measured, and what scripts put there themselves; SageMaker Metrics."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

from tintype.errors import InvalidRequest
from tintype.jobs.store import KIND
from tintype.records import Measurement
from tintype.web.api.metric_series import Series, all_series, points_of, put
from tintype.web.api.moments import moment
from tintype.web.api.operation import Members
from tintype.web.api.statistics import STATISTICS, Bin, Point, dimensions_of, in_periods
from tintype.web.context import Context
from tintype.web.faults import AwsFault
from tintype.web.invocation_metrics import NAMESPACE

MOST_LISTED = 500
COMPONENT = "-aws-training-job"         # what SageMaker adds to a job's name for the name of its trial component
MOST_REPEATED = 10_000                  # times that PutMetricData may count a value


def get_metric_statistics(context: Context, request: Members) -> Members:
    """One metric, summed up in periods."""
    asked = [*(request.get("Statistics") or ()), *(request.get("ExtendedStatistics") or ())]
    if not asked:
        raise AwsFault("MissingParameter", "Give Statistics or ExtendedStatistics")
    series = Series(request["Namespace"], request["MetricName"], dimensions_of(request.get("Dimensions")))
    bins = _bins(context, series, request, request["Period"])
    return {"Label": series.name, "Datapoints": [_datapoint(one, asked, request.get("Unit", "None")) for one in bins]}


def get_metric_data(context: Context, request: Members) -> Members:
    """Several metrics at once. Expressions over metrics are refused."""
    asked = [query for query in request["MetricDataQueries"] if query.get("ReturnData", True)]
    return {"MetricDataResults": [_result(context, request, query) for query in asked], "Messages": []}


def list_metrics(context: Context, request: Members) -> Members:
    """The metrics there are, a page of them."""
    context.invocations.write(context.workspace.records)
    wanted = {one["Name"]: one.get("Value") for one in request.get("Dimensions") or ()}
    named = request.get("MetricName")
    every = all_series(context.workspace.records, request.get("Namespace"), wanted)
    found = (one for one in every if named in (None, one.name))
    start = _start_of(request.get("NextToken"))
    page = list(itertools.islice(found, start, start + MOST_LISTED + 1))
    token = {"NextToken": str(start + MOST_LISTED)} if len(page) > MOST_LISTED else {}
    return {"Metrics": [_metric(one) for one in page[:MOST_LISTED]], **token}


def put_metric_data(context: Context, request: Members) -> Members:
    """What a script measured itself; `get_metric_statistics` gives it back."""
    if request.get("EntityMetricData"):
        raise AwsFault("InvalidParameterValue", "EntityMetricData is not kept here; give MetricData")
    for one in request.get("MetricData") or ():
        series = Series(request["Namespace"], one["MetricName"], dimensions_of(one.get("Dimensions")))
        at = (one.get("Timestamp") or context.now()).timestamp()
        put(context.workspace.records, series, [Point(at, value) for value in _values(one)])
    return {}


def batch_put_metrics(context: Context, request: Members) -> Members:
    """Metrics that a script reports for its own job, beside those that are read from its log."""
    job = _job_of(context, request["TrialComponentName"])
    if job is None:
        errors = [{"Code": "VALIDATION_ERROR", "MetricIndex": index} for index in range(len(request["MetricData"]))]
        return {"Errors": errors}
    context.workspace.records.measure(
        job,
        [
            Measurement(one["MetricName"], one.get("Step", 0), one["Value"], one["Timestamp"].timestamp())
            for one in request["MetricData"]
        ],
    )
    return {}


def _bins(context: Context, series: Series, request: Mapping[str, Any], period: int) -> list[Bin]:
    if series.namespace == NAMESPACE:
        context.invocations.write(context.workspace.records)        # so that what was asked just now counts
    start, end = request["StartTime"].timestamp(), request["EndTime"].timestamp()
    if start >= end:
        raise AwsFault("InvalidParameterValue", "The parameter StartTime must be less than the parameter EndTime.")
    return in_periods(points_of(context.workspace.records, series), start, end, period)


def _datapoint(one: Bin, asked: list[str], unit: str) -> Members:
    usual = {name: one.statistic(name) for name in asked if name in STATISTICS}
    others = {name: one.statistic(name) for name in asked if name not in STATISTICS}
    return {"Timestamp": moment(one.at), **usual, "Unit": unit, **({"ExtendedStatistics": others} if others else {})}


def _result(context: Context, request: Members, query: Members) -> Members:
    if "MetricStat" not in query:
        raise AwsFault("ValidationError", f"Query {query['Id']!r}: expressions are not computed; give a MetricStat")
    wanted = query["MetricStat"]
    metric = wanted["Metric"]
    series = Series(metric.get("Namespace", ""), metric.get("MetricName", ""), dimensions_of(metric.get("Dimensions")))
    bins = _bins(context, series, request, wanted["Period"])
    if request.get("ScanBy", "TimestampDescending") == "TimestampDescending":
        bins.reverse()
    return {
        "Id": query["Id"],
        "Label": query.get("Label", series.name),
        "Timestamps": [moment(one.at) for one in bins],
        "Values": [one.statistic(wanted["Stat"]) for one in bins],
        "StatusCode": "Complete",
    }


def _metric(one: Series) -> Members:
    dimensions = [{"Name": name, "Value": value} for name, value in one.dimensions.items()]
    return {"Namespace": one.namespace, "MetricName": one.name, "Dimensions": dimensions}


def _values(datum: Mapping[str, Any]) -> list[float]:
    if datum.get("StatisticValues"):
        raise InvalidRequest(f"metric {datum['MetricName']!r}: StatisticValues are not kept here; give Value or Values")
    if datum.get("Values"):
        counts = datum.get("Counts") or [1.0] * len(datum["Values"])
        if len(counts) != len(datum["Values"]) or sum(counts) > MOST_REPEATED:
            raise InvalidRequest(f"metric {datum['MetricName']!r}: give each of Values a count, {MOST_REPEATED} in all")
        return [value for value, count in zip(datum["Values"], counts, strict=True) for _ in range(int(count))]
    if "Value" not in datum:
        raise InvalidRequest(f"metric {datum['MetricName']!r} has no Value")
    return [datum["Value"]]


def _job_of(context: Context, component: str) -> str | None:
    name = component.removesuffix(COMPONENT)
    records = context.workspace.records
    if records.find(KIND, name) is not None:
        return name
    return next((one.name for one in records.list(KIND, name_contains=name) if one.name.lower() == name), None)


def _start_of(token: str | None) -> int:
    if token is None:
        return 0
    if not token.isdecimal() or len(token) > 15:
        raise AwsFault("InvalidParameterValue", "The parameter NextToken is invalid.")
    return int(token)
