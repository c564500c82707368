"""The wire as a whole: who may ask, what is understood, how a no is said, and that the connection survives it."""

from __future__ import annotations

import concurrent.futures
import http.client
import json
import logging
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import psutil
import pytest

from tests.web.running import Running

Code = Callable[..., str]


def test_nobody_unsigned_is_answered(server: Running) -> None:
    for method, target, headers, code in (
        ("GET", "/bucket/key", {}, b"<Code>AccessDenied</Code>"),
        ("PUT", "/bucket/key", {}, b"<Code>AccessDenied</Code>"),
        ("POST", "/", {"x-amz-target": "SageMaker.ListTrainingJobs"}, b"MissingAuthenticationTokenException"),
        (
            "POST",
            "/",
            {"content-type": "application/x-www-form-urlencoded"},
            b"<Code>MissingAuthenticationToken</Code>",
        ),
        ("GET", "/", {"authorization": "Bearer x"}, b"AccessDenied"),
        ("GET", "/b/k?AWSAccessKeyId=x&Signature=y&Expires=1", {}, b"InvalidAccessKeyId"),
    ):
        answer = server.send(method, target, headers, b"")
        assert (answer.status, code in answer.body) == (403, True), answer


def test_a_browser_is_sent_to_the_pages(server: Running) -> None:
    answer = server.send("GET", "/", {"accept": "text/html"})
    assert (answer.status, answer.headers["location"]) == (307, "/ui/")
    assert server.send("GET", "/ui/").status == 401


def test_the_caller_is_an_assumed_role(server: Running) -> None:
    arn = server.client("sts").get_caller_identity()["Arn"]
    assert arn == "arn:aws:sts::000000000000:assumed-role/TintypeExecutionRole/tintype"
    role = server.client("iam").get_role(RoleName="TintypeExecutionRole")["Role"]
    assert role["Arn"] == "arn:aws:iam::000000000000:role/TintypeExecutionRole"
    assert role["AssumeRolePolicyDocument"]["Statement"][0]["Principal"] == {"Service": "sagemaker.amazonaws.com"}
    assumed = server.client("sts").assume_role(RoleArn=role["Arn"], RoleSessionName="me")
    assert assumed["Credentials"]["AccessKeyId"] == server.key.access_key_id
    simulated = server.client("iam").simulate_principal_policy(
        PolicySourceArn=role["Arn"], ActionNames=["s3:GetObject"]
    )
    assert [one["EvalDecision"] for one in simulated["EvaluationResults"]] == ["allowed"]
    with pytest.raises(Exception, match=r"RepositoryNotFoundException.*keeps no images"):
        server.client("ecr").describe_repositories(repositoryNames=["mine"])


def test_an_operation_that_is_not_supported_is_named(server: Running) -> None:
    with pytest.raises(
        Exception, match=r"CreateDomain of sagemaker is not supported by Tintype. Supported are:.*Describe"
    ):
        server.client("sagemaker", parameter_validation=False).create_domain()
    with pytest.raises(Exception, match="CreateUser of iam is not supported"):
        server.client("iam").create_user(UserName="x")
    answer = server.ask("POST", "/", b"{}", service="dynamodb", headers={"x-amz-target": "DynamoDB.ListTables"})
    assert (answer.status, "not offered here; s3, sagemaker" in json.loads(answer.body)["message"]) == (400, True)
    answer = server.ask("GET", "/nothing", service="sagemaker")
    assert (answer.status, "no operation GET /nothing" in json.loads(answer.body)["message"]) == (404, True)


def test_constraints_in_awss_own_words(server: Running) -> None:
    sagemaker = server.client("sagemaker", parameter_validation=False)
    with pytest.raises(sagemaker.exceptions.ClientError) as caught:
        sagemaker.create_training_job(
            TrainingJobName="under_score",
            AlgorithmSpecification={"TrainingInputMode": "Fax"},
            StoppingCondition={},
            RoleArn="arn:aws:iam::000000000000:role/x",
            InputDataConfig=[{"ChannelName": "bad name", "DataSource": {}}],
            OutputDataConfig={"S3OutputPath": "s3://b/"},
        )
    error = caught.value.response["Error"]
    assert error["Code"] == "ValidationException"
    assert error["Message"].startswith("3 validation errors detected: ")
    for text in (
        "Value 'under_score' at 'trainingJobName' failed to satisfy constraint: Member must satisfy regular expression "
        "pattern: [a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}",
        "at 'algorithmSpecification.trainingInputMode' failed to satisfy constraint: Member must satisfy enum value "
        "set: [Pipe, File, FastFile]",
        "Value 'bad name' at 'inputDataConfig.1.member.channelName'",
    ):
        assert text in error["Message"]
    with pytest.raises(
        sagemaker.exceptions.ClientError, match=r"Value null at 'trainingJobName' failed.*must not be null"
    ):
        sagemaker.describe_training_job()
    with pytest.raises(sagemaker.exceptions.ClientError, match="SerializationException"):
        sagemaker.list_training_jobs(MaxResults="many")


def test_an_answer_to_head_has_no_body(server: Running, bucket: str, s3: Any) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"12345")
    found = server.ask("HEAD", f"/{bucket}/k")
    assert (found.status, found.headers["content-length"], found.body) == (200, "5", b"")
    missing = server.ask("HEAD", f"/{bucket}/none")
    assert (missing.status, missing.body) == (404, b"")
    assert found.headers["x-amz-request-id"] != missing.headers["x-amz-request-id"]


def test_the_next_request_is_not_read_as_the_body_of_a_refused_one(server: Running, bucket: str) -> None:
    """boto3 waits for 100-continue, is refused instead, and goes on with the connection."""
    s3 = server.client("s3", max_pool_connections=1)
    for _ in range(3):
        with pytest.raises(s3.exceptions.ClientError, match="NoSuchBucket"):
            s3.put_object(Bucket="no-such-bucket", Key="k", Body=b"x" * 100_000)
        s3.put_object(Bucket=bucket, Key="k", Body=b"GET / HTTP/1.1\r\n\r\n" * 100)
    connection = http.client.HTTPConnection(urlsplit(server.url).netloc)
    body = b"x" * 300_000
    for _ in range(2):  # without Expect, on one connection
        headers = server.signed("PUT", "/no-such-bucket/k", body)
        connection.request("PUT", "/no-such-bucket/k", body, headers)
        answer = connection.getresponse()
        assert (answer.status, b"NoSuchBucket" in answer.read()) == (404, True)
    connection.close()


def test_a_client_that_leaves_halfway_leaves_nothing(server: Running, bucket: str, s3: Any) -> None:
    connection = http.client.HTTPConnection(urlsplit(server.url).netloc)
    headers = {**server.signed("PUT", f"/{bucket}/k", b"x" * 1_000_000), "content-length": "1000000"}
    connection.putrequest("PUT", f"/{bucket}/k")
    for name, value in headers.items():
        connection.putheader(name, value)
    connection.endheaders()
    connection.send(b"x" * 500_000)
    connection.close()
    assert "Contents" not in s3.list_objects_v2(Bucket=bucket)
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"x"


def test_a_client_that_leaves_during_a_download_is_not_read_for(server: Running, bucket: str, s3: Any) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=bytes(40_000_000))
    process = psutil.Process(server.process.pid)

    def open_files() -> int:
        return sum(f"/{bucket}/" in one.path for one in process.open_files())

    for _ in range(3):
        connection = http.client.HTTPConnection(urlsplit(server.url).netloc)
        connection.request("GET", f"/{bucket}/k", headers=server.signed("GET", f"/{bucket}/k"))
        assert len(connection.getresponse().read(1000)) == 1000
        connection.close()
    deadline = time.monotonic() + 120
    while open_files() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert open_files() == 0


def test_a_body_that_is_too_large_is_refused(server: Running) -> None:
    body = b'{"MaxResults": 1, "x": "' + b"x" * 9_000_000 + b'"}'
    headers = {"x-amz-target": "SageMaker.ListTrainingJobs"}
    answer = server.send("POST", "/", server.signed("POST", "/", body, service="sagemaker", headers=headers), body)
    assert (answer.status, b"RequestEntityTooLarge" in answer.body) == (413, True)


def test_two_hundred_clients_at_once(server: Running, bucket: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR, "botocore")
    clients = [server.client("s3", max_pool_connections=50) for _ in range(4)]

    def work(number: int) -> int:
        client = clients[number % len(clients)]
        client.put_object(Bucket=bucket, Key=f"{number % 20}/{number}", Body=b"x" * 5000)
        return len(client.get_object(Bucket=bucket, Key=f"{number % 20}/{number}")["Body"].read())

    with concurrent.futures.ThreadPoolExecutor(200) as pool:
        assert set(pool.map(work, range(400))) == {5000}
    assert clients[0].list_objects_v2(Bucket=bucket)["KeyCount"] == 400


def test_logs_and_metrics_are_told_apart(server: Running) -> None:
    assert "logGroups" in server.client("logs").describe_log_groups()
    assert "Metrics" in server.client("cloudwatch").list_metrics(Namespace="none")
