"""Constraints of the models: AWS's words, and no pattern that takes for ever."""

from __future__ import annotations

import time
from typing import Any

import pytest

from tintype.web.faults import AwsFault
from tintype.web.services import SCOPES, model, operation
from tintype.web.wire.constraints import _compiled, check


def said(name: str, members: dict[str, Any], service: str = "sagemaker") -> str:
    with pytest.raises(AwsFault) as caught:
        check(service, operation(service, name).input_shape, members)
    return caught.value.message


def test_each_kind_of_constraint() -> None:
    start = "1 validation error detected: Value "
    assert said("DescribeTrainingJob", {}) == (
        f"{start}null at 'trainingJobName' failed to satisfy constraint: Member must not be null"
    )
    assert said("DescribeTrainingJob", {"TrainingJobName": "a" * 64}) == (
        f"{start}'{'a' * 64}' at 'trainingJobName' failed to satisfy constraint: Member must have length less than or "
        "equal to 63"
    )
    assert "greater than or equal to 1" in said("ListTrainingJobs", {"MaxResults": 0})
    assert "value less than or equal to 100" in said("ListTrainingJobs", {"MaxResults": 101})
    tags = [{"Key": "k", "Value": "v"}] * 51
    assert "at 'tags' failed" in said("AddTags", {"ResourceArn": "arn:aws:sagemaker:x:000000000000:a/b", "Tags": tags})
    nested = {
        "Statistics": ["Average", "Mode"],
        "Namespace": "n",
        "MetricName": "m",
        "Period": 60,
        "StartTime": None,
        "EndTime": None,
    }
    message = said("GetMetricStatistics", nested, "cloudwatch")
    assert message.startswith("3 validation errors detected: Value null at 'startTime'")
    assert "Value 'Mode' at 'statistics.2.member' failed to satisfy constraint: Member must satisfy enum" in message


def test_long_values_are_cut_in_messages() -> None:
    assert len(said("DescribeTrainingJob", {"TrainingJobName": "x" * 100_000})) < 1000


def test_every_pattern_of_every_service_is_understood() -> None:
    patterns = {
        shape.metadata["pattern"]
        for services in SCOPES.values()
        for service in services
        for shape in (model(service).shape_for(name) for name in model(service).shape_names)
        if shape.metadata.get("pattern")
    }
    assert len(patterns) > 300
    assert len([one for one in patterns if _compiled(one) is None]) <= 1


@pytest.mark.parametrize("value", ["a-" * 5000, "-" * 5000, "a" * 5000, "s3://" + "/" * 3000, "arn:" * 1000])
def test_no_value_keeps_a_pattern_busy(value: str) -> None:
    began = time.monotonic()
    for name, member in (
        ("CreateTrainingJob", "TrainingJobName"),
        ("CreateTrainingJob", "RoleArn"),
        ("AddTags", "ResourceArn"),
        ("DescribeEndpoint", "EndpointName"),
    ):
        shape = operation("sagemaker", name).input_shape
        assert shape is not None
        with pytest.raises(AwsFault):
            check("sagemaker", shape, {member: value})
    assert time.monotonic() - began < 60
