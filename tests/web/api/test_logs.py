"""CloudWatch Logs through boto3."""

from __future__ import annotations

from typing import Any

import pytest

from tests.web.api.serving import Api
from tests.web.api.test_training_jobs import refused

GROUP = "/aws/sagemaker/TrainingJobs"
LINES = 25


@pytest.fixture(scope="session")
def stream(api: Api) -> str:
    """The stream of a job that has said 25 numbers, a line apart in time from the first ten."""
    script = """
        import sys, time
        for number in range(10):
            print("line", number)
        sys.stdout.flush()
        time.sleep(0.3)
        for number in range(10, 25):
            print("line", number, "WARN" if number % 5 == 0 else "fine")
    """
    api.train("speaks-1", script)
    (found,) = api.logs.describe_log_streams(logGroupName=GROUP, logStreamNamePrefix="speaks-1/")["logStreams"]
    assert found["firstEventTimestamp"] <= found["lastEventTimestamp"]
    assert found["logStreamName"].startswith("speaks-1/algo-1-")
    return found["logStreamName"]


def spoken(events: list[dict[str, Any]]) -> list[int]:
    return [int(one["message"].split()[1]) for one in events if one["message"].startswith("line ")]


def test_a_stream_is_read_from_its_head_in_pages(api: Api, stream: str) -> None:
    found: list[int] = []
    token: dict[str, str] = {}
    while True:
        page = api.logs.get_log_events(
            logGroupName=GROUP, logStreamName=stream, startFromHead=True, limit=7, **token
        )
        found += spoken(page["events"])
        assert len(page["events"]) <= 7
        if token.get("nextToken") == page["nextForwardToken"]:
            assert page["events"] == []
            break
        token = {"nextToken": page["nextForwardToken"]}
    assert found == list(range(LINES))


def test_a_stream_is_read_from_its_end_backwards(api: Api, stream: str) -> None:
    last = api.logs.get_log_events(logGroupName=GROUP, logStreamName=stream, limit=6)
    assert spoken(last["events"]) == list(range(20, 25))        # and the line that says that it has completed
    before = api.logs.get_log_events(
        logGroupName=GROUP, logStreamName=stream, limit=5, nextToken=last["nextBackwardToken"]
    )
    assert spoken(before["events"]) == list(range(15, 20))
    again = api.logs.get_log_events(logGroupName=GROUP, logStreamName=stream, nextToken=before["nextForwardToken"])
    assert spoken(again["events"]) == list(range(20, 25))


def test_times_narrow_and_the_first_is_included(api: Api, stream: str) -> None:
    every = api.logs.get_log_events(logGroupName=GROUP, logStreamName=stream, startFromHead=True)["events"]
    tenth = next(one for one in every if one["message"].startswith("line 10"))
    later = api.logs.get_log_events(
        logGroupName=GROUP, logStreamName=stream, startFromHead=True, startTime=tenth["timestamp"]
    )
    assert spoken(later["events"]) == list(range(10, LINES))
    earlier = api.logs.get_log_events(
        logGroupName=GROUP, logStreamName=stream, startFromHead=True, endTime=tenth["timestamp"]
    )
    assert spoken(earlier["events"]) == list(range(10))
    from_behind = api.logs.get_log_events(logGroupName=GROUP, logStreamName=stream, endTime=tenth["timestamp"], limit=3)
    assert spoken(from_behind["events"]) == [7, 8, 9]


def test_events_are_filtered_over_all_streams(api: Api, stream: str) -> None:
    pages = api.logs.get_paginator("filter_log_events").paginate(
        logGroupName=GROUP, logStreamNamePrefix="speaks-1/", filterPattern="WARN", PaginationConfig={"PageSize": 2}
    )
    found = [one for page in pages for one in page["events"]]
    assert spoken(found) == [10, 15, 20]
    assert {one["logStreamName"] for one in found} == {stream}
    named = api.logs.filter_log_events(logGroupName=GROUP, logStreamNames=[stream], filterPattern="line -fine -WARN")
    assert spoken(named["events"]) == list(range(10))


def test_groups_and_a_stream_by_a_prefix_that_is_no_job(api: Api, stream: str) -> None:
    names = [one["logGroupName"] for one in api.logs.describe_log_groups(logGroupNamePrefix="/aws/sage")["logGroups"]]
    assert GROUP in names
    found = api.logs.describe_log_streams(logGroupName=GROUP, logStreamNamePrefix="speaks")["logStreams"]
    assert [one["logStreamName"] for one in found] == [stream]
    assert api.logs.describe_log_streams(logGroupName=GROUP, logStreamNamePrefix="nobody/")["logStreams"] == []


def test_what_is_not_there(api: Api, stream: str) -> None:
    assert refused(api.logs.describe_log_streams, logGroupName="/other")[0] == "ResourceNotFoundException"
    missing = {"logGroupName": GROUP, "logStreamName": "speaks-1/algo-9-1"}
    assert refused(api.logs.get_log_events, **missing)[0] == "ResourceNotFoundException"
    events = {"logGroupName": GROUP, "logStreamName": stream}
    assert refused(api.logs.get_log_events, **events, nextToken="x")[0] == "InvalidParameterException"
    assert refused(api.logs.filter_log_events, logGroupName=GROUP, filterPattern="{ $.a = 1 }")[0] == (
        "InvalidParameterException"
    )
    assert refused(api.logs.filter_log_events, logGroupName=GROUP, nextToken="x")[0] == "InvalidParameterException"


def test_a_stream_can_be_deleted(api: Api) -> None:
    api.train("forgets-1", "print(1)")
    (one,) = api.logs.describe_log_streams(logGroupName=GROUP, logStreamNamePrefix="forgets-1/")["logStreams"]
    api.logs.delete_log_stream(logGroupName=GROUP, logStreamName=one["logStreamName"])
    assert api.logs.describe_log_streams(logGroupName=GROUP, logStreamNamePrefix="forgets-1/")["logStreams"] == []
