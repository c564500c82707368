"""What botocore serialises is read back as it was, in every protocol, and what is answered is read by botocore."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest
from botocore.awsrequest import HeadersDict
from botocore.parsers import create_parser
from botocore.serialize import create_serializer
from hypothesis import given
from hypothesis import strategies as st

from tintype.web.faults import AwsFault
from tintype.web.message import Answer, Request
from tintype.web.services import operation
from tintype.web.wire import (
    cbor,
    cbor_protocol,
    json_protocol,
    query_protocol,
    rest_json_protocol,
    rest_xml_protocol,
)
from tintype.web.wire.xml_text import read_xml

MODULES = {
    "json": json_protocol,
    "query": query_protocol,
    "rest-json": rest_json_protocol,
    "rest-xml": rest_xml_protocol,
    "smithy-rpc-v2-cbor": cbor_protocol,
}
NOON = datetime(2026, 1, 31, 12, 0, 0, 500_000, tzinfo=UTC)
METRICS = {
    "Namespace": "/aws/x",
    "MetricName": "loss & more",
    "StartTime": NOON,
    "EndTime": NOON,
    "Period": 60,
    "Statistics": ["Average", "Sum"],
    "Dimensions": [{"Name": "n", "Value": "v é <>&"}, {"Name": "m", "Value": "w"}],
}
REQUESTS: list[tuple[str, str, str, dict[str, Any]]] = [
    (
        "json",
        "sagemaker",
        "CreateTrainingJob",
        {
            "TrainingJobName": "a",
            "HyperParameters": {"a-b": '"1"', "ü": "\n"},
            "StoppingCondition": {"MaxRuntimeInSeconds": 5},
            "InputDataConfig": [{"ChannelName": "c", "ShuffleConfig": {"Seed": 2**40}}],
        },
    ),
    ("json", "sagemaker", "ListTrainingJobs", {"CreationTimeAfter": NOON, "MaxResults": 3}),
    ("json", "cloudwatch", "GetMetricStatistics", METRICS),
    ("query", "cloudwatch", "GetMetricStatistics", METRICS),
    ("smithy-rpc-v2-cbor", "cloudwatch", "GetMetricStatistics", METRICS),
    ("query", "sts", "AssumeRole", {"RoleArn": "arn", "RoleSessionName": "s", "DurationSeconds": 900}),
    ("query", "iam", "SimulatePrincipalPolicy", {"PolicySourceArn": "arn", "ActionNames": ["a", "b"]}),
    (
        "rest-json",
        "sagemaker-runtime",
        "InvokeEndpoint",
        {
            "EndpointName": "an-endpoint",
            "Body": b"\x00\xff",
            "ContentType": "image/jpeg",
            "TargetVariant": "v",
        },
    ),
    (
        "rest-json",
        "sagemaker-metrics",
        "BatchPutMetrics",
        {
            "TrialComponentName": "t",
            "MetricData": [{"MetricName": "m", "Timestamp": NOON.replace(microsecond=0), "Value": 0.5}],
        },
    ),
    (
        "rest-xml",
        "s3",
        "DeleteObjects",
        {
            "Bucket": "b",
            "Delete": {"Quiet": True, "Objects": [{"Key": "a<&>é"}, {"Key": "b"}]},
        },
    ),
    (
        "rest-xml",
        "s3",
        "GetObject",
        {
            "Bucket": "b",
            "Key": "a/b c+é",
            "Range": "bytes=0-1",
            "IfModifiedSince": NOON.replace(microsecond=0),
            "PartNumber": 3,
        },
    ),
    (
        "rest-xml",
        "s3",
        "PutObject",
        {"Bucket": "b", "Key": "k", "Body": b"x", "Metadata": {"a": "b"}, "ContentLength": 1},
    ),
]
ANSWERS: list[tuple[str, str, str, dict[str, Any]]] = [
    (
        "json",
        "sagemaker",
        "ListTrainingJobs",
        {
            "TrainingJobSummaries": [
                {
                    "TrainingJobName": "a",
                    "TrainingJobArn": "arn",
                    "CreationTime": NOON,
                    "TrainingJobStatus": "Completed",
                }
            ]
        },
    ),
    ("query", "sts", "GetCallerIdentity", {"UserId": "u<&>", "Account": "0", "Arn": "a"}),
    ("query", "cloudwatch", "GetMetricStatistics", {"Label": "l", "Datapoints": [{"Timestamp": NOON, "Average": 0.5}]}),
    (
        "smithy-rpc-v2-cbor",
        "cloudwatch",
        "GetMetricStatistics",
        {
            "Label": "l",
            "Datapoints": [{"Timestamp": NOON, "Average": 2.0}],
        },
    ),
    (
        "rest-xml",
        "s3",
        "ListObjectsV2",
        {
            "Name": "b",
            "IsTruncated": False,
            "KeyCount": 1,
            "Contents": [
                {"Key": "a & <b>", "Size": 3, "LastModified": NOON, "ETag": '"x"'},
            ],
            "CommonPrefixes": [{"Prefix": "p/"}, {"Prefix": "q/"}],
        },
    ),
    (
        "rest-xml",
        "s3",
        "GetBucketAcl",
        {
            "Owner": {"ID": "i", "DisplayName": "d"},
            "Grants": [
                {"Grantee": {"ID": "i", "DisplayName": "d", "Type": "CanonicalUser"}, "Permission": "FULL_CONTROL"},
            ],
        },
    ),
    ("rest-xml", "s3", "HeadObject", {"ContentLength": 0, "ETag": '"x"', "Metadata": {"a": "b"}}),
    ("rest-json", "sagemaker-runtime", "InvokeEndpoint", {"ContentType": "x/y", "InvokedProductionVariant": "v"}),
]


@pytest.mark.parametrize(("protocol", "service", "name", "members"), REQUESTS)
def test_a_request_is_read_as_it_was_meant(protocol: str, service: str, name: str, members: dict[str, Any]) -> None:
    found = operation(service, name)
    sent = create_serializer(protocol, include_validation=False).serialize_to_request(members, found)
    body = sent["body"]
    if isinstance(body, dict):
        body = urlencode(body)
    body = body.encode() if isinstance(body, str) else body
    path = urlsplit(sent["url_path"])
    query = (
        "&".join(f"{key}={value}" for key, value in sent["query_string"].items())
        if sent["query_string"]
        else path.query
    )
    headers = {key.lower(): str(value) for key, value in sent["headers"].items()}
    request = Request(sent["method"], path.path, query, headers)
    assert MODULES[protocol].parse(found, request, body) == members


@pytest.mark.parametrize(("protocol", "service", "name", "members"), ANSWERS)
def test_an_answer_is_read_by_botocore(protocol: str, service: str, name: str, members: dict[str, Any]) -> None:
    found = operation(service, name)
    answer: Answer = MODULES[protocol].answer(found, members)
    response = {"status_code": answer.status, "headers": HeadersDict(answer.headers), "body": answer.body}
    parsed = create_parser(protocol).parse(response, found.output_shape)
    del parsed["ResponseMetadata"]
    assert {key: parsed[key] for key in members} == members


@pytest.mark.parametrize("protocol", list(MODULES))
def test_a_refusal_is_read_by_botocore(protocol: str) -> None:
    answer: Answer = MODULES[protocol].refuse(AwsFault("SomeCode", "some <text> é", 400), "ID")
    response = {"status_code": answer.status, "headers": HeadersDict(answer.headers), "body": answer.body}
    error = create_parser(protocol).parse(response, operation("s3", "ListBuckets").output_shape)["Error"]
    assert (error["Code"], error["Message"]) == ("SomeCode", "some <text> é")


@pytest.mark.parametrize(
    ("protocol", "service", "name"),
    [("json", "sagemaker", "ListTags"), ("query", "sts", "GetCallerIdentity"), ("rest-xml", "s3", "ListBuckets")],
)
def test_a_member_that_the_model_does_not_have_is_our_own_error(protocol: str, service: str, name: str) -> None:
    with pytest.raises(TypeError, match="has no member Nonsense"):
        MODULES[protocol].answer(operation(service, name), {"Nonsense": 1})


def test_times_need_a_zone() -> None:
    with pytest.raises(TypeError, match="no time zone"):
        json_protocol.answer(operation("sagemaker", "DescribeModel"), {"CreationTime": datetime(2026, 1, 1)})


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False) | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(VALUES)
def test_cbor_there_and_back(value: Any) -> None:
    assert cbor.decode(cbor.encode(value)) == value


@given(st.binary(max_size=60))
def test_cbor_of_nonsense(data: bytes) -> None:
    try:
        cbor.decode(data)
    except AwsFault as fault:
        assert fault.code == "SerializationException"  # noqa: PT017


def test_cbor_of_others() -> None:
    """From RFC 8949, appendix A."""
    for text, value in (
        ("1bffffffffffffffff", 2**64 - 1),
        ("3903e7", -1000),
        ("f93c00", 1.0),
        ("fa47c35000", 100000.0),
        ("f90001", 2**-24),
        ("9f018202039f0405ffff", [1, [2, 3], [4, 5]]),
        ("bf61610161629f0203ffff", {"a": 1, "b": [2, 3]}),
        ("7f657374726561646d696e67ff", "streaming"),
        ("5f42010243030405ff", b"\1\2\3\4\5"),
        ("c11a514b67b0", datetime(2013, 3, 21, 20, 4, tzinfo=UTC)),
        ("f7", None),
    ):
        assert cbor.decode(bytes.fromhex(text)) == value
    assert math.isinf(cbor.decode(bytes.fromhex("f97c00")))
    for text in (
        "",
        "ff",
        "9f",
        "bf6161ff",
        "1c",
        "a10102",
        "81" * 100 + "00",
        "9b00ffffffffffffff",
        "c1" + "fb7ff0000000000000",
    ):
        with pytest.raises(AwsFault):
            cbor.decode(bytes.fromhex(text))


def test_xml_is_not_trusted() -> None:
    bomb = '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]><x>&b;</x>'
    outside = '<!DOCTYPE x SYSTEM "file:///etc/passwd"><x/>'
    for text in (
        bomb,
        outside,
        "<a>" * 1000 + "</a>" * 1000,
        "<a>",
        "",
        "\0",
        "<a/><b/>",
        "<?xml version='1.0' encoding='x'?><a/>",
    ):
        with pytest.raises(AwsFault, match="not well-formed"):
            read_xml(text.encode())
    assert read_xml(b'<n:a xmlns:n="u"><n:b>x</n:b></n:a>').find("b") is not None
