"""Endpoints through boto3: made, asked, updated, captured, deleted; what a notebook does with them."""

from __future__ import annotations

import contextlib
import io
import json
import tarfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from botocore.exceptions import ClientError
from PIL import Image

from tests.serving.endpoints.test_store import frozen_front
from tests.web.api.serving import BUCKET, ROLE, Api
from tests.web.api.test_models import make_model, refused, variant
from tintype.serving.endpoints.store import Endpoints

SCRIPT = """
import json, os, time
def model_fn(folder):
    return open(os.path.join(folder, "weights.txt")).read()
def input_fn(body, content_type):
    if content_type == "text/slow":
        time.sleep(120)
    if content_type != "image/jpeg":
        raise ValueError(f"This model only supports image/jpeg, got {content_type}")
    return len(body)
def predict_fn(data, model):
    return [model, data, os.environ.get("CUDA_VISIBLE_DEVICES"), os.environ["AWS_ENDPOINT_URL"]]
"""


@pytest.fixture(scope="module")
def picture() -> bytes:
    content = io.BytesIO()
    Image.new("RGB", (20, 20), (20, 200, 20)).save(content, "JPEG")
    return content.getvalue()


@pytest.fixture(scope="module")
def runtime(api: Api) -> Any:
    return api.client("sagemaker-runtime")


def configure(api: Api, name: str, *variants: dict[str, Any], **members: Any) -> None:
    api.sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=list(variants), **members)


def settled(api: Api, name: str, seconds: float = 240.0) -> dict[str, Any]:
    deadline = time.monotonic() + seconds
    while (found := api.sagemaker.describe_endpoint(EndpointName=name))["EndpointStatus"] in (
        "Creating", "Updating", "RollingBack",
    ):  # fmt: skip
        assert time.monotonic() < deadline, found
        time.sleep(0.1)
    return found


@pytest.fixture(scope="module")
def served(api: Api, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An endpoint of an archive of ours, with capture and answers into a bucket."""
    make_model(api, "served", tmp_path_factory.mktemp("served"))
    capture = {
        "EnableCapture": True,
        "InitialSamplingPercentage": 100,
        "DestinationS3Uri": f"s3://{BUCKET}/captured",
        "CaptureOptions": [{"CaptureMode": "Input"}, {"CaptureMode": "Output"}],
    }
    output = {"OutputConfig": {"S3OutputPath": f"s3://{BUCKET}/answers"}}
    configure(api, "served", variant("served"), DataCaptureConfig=capture, AsyncInferenceConfig=output)
    api.sagemaker.create_endpoint(EndpointName="served", EndpointConfigName="served", Tags=[{"Key": "a", "Value": "b"}])
    found = settled(api, "served")
    assert found["EndpointStatus"] == "InService", found
    yield "served"
    api.sagemaker.delete_endpoint(EndpointName="served")


def test_it_is_described(api: Api, served: str) -> None:
    found = api.sagemaker.describe_endpoint(EndpointName=served)
    assert found["EndpointConfigName"] == "served"
    assert found["EndpointArn"] == "arn:aws:sagemaker:us-east-1:000000000000:endpoint/served"
    (one,) = found["ProductionVariants"]
    assert (one["VariantName"], one["CurrentWeight"], one["CurrentInstanceCount"]) == ("AllTraffic", 1.0, 1)
    assert found["DataCaptureConfig"]["CaptureStatus"] == "Started"
    assert api.sagemaker.list_tags(ResourceArn=found["EndpointArn"])["Tags"] == [{"Key": "a", "Value": "b"}]
    listed = api.sagemaker.list_endpoints(NameContains="serve", StatusEquals="InService")["Endpoints"]
    assert [one["EndpointName"] for one in listed] == ["served"]


def test_a_picture_is_answered(runtime: Any, served: str, picture: bytes) -> None:
    answer = runtime.invoke_endpoint(EndpointName=served, ContentType="image/jpeg", Body=picture)
    assert json.loads(answer["Body"].read())["predictions"][0]["label"] == "green"
    assert answer["ContentType"] == "application/json"
    assert answer["InvokedProductionVariant"] == "AllTraffic"


def test_a_tensor_is_answered_by_a_tensor(runtime: Any, served: str) -> None:
    body = io.BytesIO()
    np.save(body, np.zeros((2, 3, 16, 16), np.float32))
    answer = runtime.invoke_endpoint(
        EndpointName=served, ContentType="application/x-npy", Accept="application/x-npy", Body=body.getvalue()
    )
    assert np.load(io.BytesIO(answer["Body"].read())).shape == (2, 3)


def test_an_answer_comes_in_parts(runtime: Any, served: str, picture: bytes) -> None:
    answer = runtime.invoke_endpoint_with_response_stream(
        EndpointName=served, ContentType="image/jpeg", Body=picture
    )
    content = b"".join(event["PayloadPart"]["Bytes"] for event in answer["Body"])
    assert json.loads(content)["predictions"][0]["label"] == "green"


def test_an_answer_goes_into_a_bucket(api: Api, runtime: Any, served: str, picture: bytes) -> None:
    location = api.put("asked/green.jpg", picture)
    answer = runtime.invoke_endpoint_async(EndpointName=served, ContentType="image/jpeg", InputLocation=location)
    key = answer["OutputLocation"].removeprefix(f"s3://{BUCKET}/")
    deadline = time.monotonic() + 120
    while not (api.bucket / key).is_file():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert json.loads((api.bucket / key).read_text())["predictions"][0]["label"] == "green"


def test_what_was_asked_is_captured(api: Api, runtime: Any, served: str, picture: bytes) -> None:
    runtime.invoke_endpoint(EndpointName=served, ContentType="image/jpeg", Body=picture)
    folder = api.bucket / "captured"
    deadline = time.monotonic() + 120
    while not (lines := [line for one in folder.rglob("*.jsonl") for line in one.read_text().splitlines()]):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    record = json.loads(lines[-1])
    assert {"captureData", "eventMetadata", "eventVersion"} <= set(record)
    assert record["captureData"]["endpointInput"]["observedContentType"] == "image/jpeg"


def test_what_an_object_is_said_to_be_is_what_it_is_asked_as(
    api: Api, runtime: Any, served: str, picture: bytes
) -> None:
    """The SDK's `AsyncPredictor.predict(data)` says it with the object alone, and reads the answer by its type."""
    s3 = api.client("s3")
    content = io.BytesIO()
    np.save(content, np.asarray(Image.open(io.BytesIO(picture)))[None])
    s3.put_object(Bucket=BUCKET, Key="asked/unnamed", Body=content.getvalue(), ContentType="application/x-npy")
    answer = runtime.invoke_endpoint_async(
        EndpointName=served, InputLocation=f"s3://{BUCKET}/asked/unnamed", Accept="application/x-npy"
    )
    key = answer["OutputLocation"].removeprefix(f"s3://{BUCKET}/")
    s3.get_waiter("object_exists").wait(Bucket=BUCKET, Key=key, WaiterConfig={"Delay": 1, "MaxAttempts": 60})
    found = s3.get_object(Bucket=BUCKET, Key=key)
    assert found["ContentType"] == "application/x-npy"
    assert np.load(io.BytesIO(found["Body"].read())).shape == (1, 3)


def test_what_was_asked_is_a_metric(api: Api, runtime: Any, served: str, picture: bytes) -> None:
    now = datetime.now(UTC)

    def metric(name: str, statistic: str) -> float:
        points = api.cloudwatch.get_metric_statistics(
            Namespace="AWS/SageMaker",
            MetricName=name,
            Dimensions=[{"Name": "EndpointName", "Value": served}, {"Name": "VariantName", "Value": "AllTraffic"}],
            StartTime=now - timedelta(days=1),
            EndTime=now + timedelta(days=1),
            Period=2 * 86_400,
            Statistics=[statistic],
        )["Datapoints"]
        return sum(point[statistic] for point in points)

    def counts() -> list[float]:
        return [metric(f"Invocation{which}", "Sum") for which in ("s", "4XXErrors", "5XXErrors")]

    before = counts()
    for body in (picture, picture, b"no picture"):
        with contextlib.suppress(ClientError):
            runtime.invoke_endpoint(EndpointName=served, ContentType="image/jpeg", Body=body)
    assert [after - earlier for after, earlier in zip(counts(), before, strict=True)] == [3.0, 1.0, 0.0]
    assert 100 < metric("ModelLatency", "Maximum") < 60e6          # microseconds
    listed = api.cloudwatch.list_metrics(Namespace="AWS/SageMaker")["Metrics"]
    assert "Invocations" in {one["MetricName"] for one in listed}


def test_a_mistake_of_the_callers_is_a_model_error(runtime: Any, served: str) -> None:
    with pytest.raises(ClientError) as caught:
        runtime.invoke_endpoint(EndpointName=served, ContentType="image/jpeg", Body=b"no picture")
    error = caught.value.response
    assert error["ResponseMetadata"]["HTTPStatusCode"] == 424
    assert error["Error"]["Code"] == "ModelError"
    assert error["OriginalStatusCode"] == 400
    assert error["Error"]["Message"].startswith('Received client error (400) from primary with message "')
    assert "/aws/sagemaker/Endpoints/served" in error["Error"]["Message"]


def test_an_endpoint_that_is_not_there(api: Api, runtime: Any, picture: bytes) -> None:
    code, message = refused(runtime.invoke_endpoint, EndpointName="nobody", ContentType="image/jpeg", Body=picture)
    assert (code, message) == ("ValidationError", "Endpoint nobody of account 000000000000 not found.")
    code, message = refused(api.sagemaker.describe_endpoint, EndpointName="nobody")
    assert code == "ValidationException"
    assert message.startswith("Could not find endpoint")
    assert refused(api.sagemaker.delete_endpoint, EndpointName="nobody")[0] == "ValidationException"


def test_a_name_is_taken_once(api: Api, served: str) -> None:
    code, message = refused(api.sagemaker.create_endpoint, EndpointName=served, EndpointConfigName="served")
    assert code == "ValidationException"
    assert message.startswith("Cannot create already existing endpoint")


def test_a_script_of_ones_own(api: Api, runtime: Any, picture: bytes) -> None:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as bundle:
        for name, text in (("code/inference.py", SCRIPT), ("weights.txt", "w")):
            member = tarfile.TarInfo(name)
            member.size = len(text)
            bundle.addfile(member, io.BytesIO(text.encode()))
    url = api.put("own/model.tar.gz", packed.getvalue())
    container = {
        "ModelDataUrl": url,
        "Environment": {
            "SAGEMAKER_PROGRAM": "inference.py",
            "SAGEMAKER_SUBMIT_DIRECTORY": "/opt/ml/model/code",
            "SAGEMAKER_MODEL_SERVER_TIMEOUT": "8",
        },
    }
    api.sagemaker.create_model(ModelName="own", ExecutionRoleArn=ROLE, PrimaryContainer=container)
    configure(api, "own", variant("own"))
    api.sagemaker.create_endpoint(EndpointName="own", EndpointConfigName="own")
    try:
        found = settled(api, "own")
        assert found["EndpointStatus"] == "InService", found
        answer = runtime.invoke_endpoint(EndpointName="own", ContentType="image/jpeg", Body=picture)
        assert json.loads(answer["Body"].read()) == ["w", len(picture), "", api.context.base_url]
        with pytest.raises(ClientError) as caught:
            runtime.invoke_endpoint(EndpointName="own", ContentType="text/plain", Body=b"x")
        assert caught.value.response["OriginalStatusCode"] == 500
        assert "only supports image/jpeg" in caught.value.response["OriginalMessage"]
        began = time.monotonic()
        with pytest.raises(ClientError, match="ModelError"):
            runtime.invoke_endpoint(EndpointName="own", ContentType="text/slow", Body=b"x")
        assert time.monotonic() - began < 60
        answer = runtime.invoke_endpoint(EndpointName="own", ContentType="image/jpeg", Body=picture)
        assert json.loads(answer["Body"].read())[0] == "w"
    finally:
        api.sagemaker.delete_endpoint(EndpointName="own")


def test_a_model_that_does_not_start_says_why(api: Api) -> None:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as bundle:
        text = b"def model_fn(folder):\n    raise RuntimeError('no weights were packed')\n"
        member = tarfile.TarInfo("code/inference.py")
        member.size = len(text)
        bundle.addfile(member, io.BytesIO(text))
    url = api.put("broken/model.tar.gz", packed.getvalue())
    api.sagemaker.create_model(ModelName="broken", ExecutionRoleArn=ROLE, PrimaryContainer={"ModelDataUrl": url})
    configure(api, "broken", variant("broken"))
    api.sagemaker.create_endpoint(EndpointName="broken", EndpointConfigName="broken")
    found = settled(api, "broken")
    assert found["EndpointStatus"] == "Failed"
    assert "did not pass the ping health check" in found["FailureReason"]
    assert "no weights were packed" in found["FailureReason"]
    api.sagemaker.delete_endpoint(EndpointName="broken")


def test_an_estimator_deployed_without_model_fn_is_in_service_and_its_answers_say_why(api: Api, runtime: Any) -> None:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as bundle:
        for name, content in (("model.pth", b"weights alone"), ("code/train_model.py", b"print('imported')\n")):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            bundle.addfile(member, io.BytesIO(content))
    url = api.put("estimator/model.tar.gz", packed.getvalue())
    container = {"ModelDataUrl": url, "Environment": {"SAGEMAKER_PROGRAM": "train_model.py"}}
    api.sagemaker.create_model(ModelName="estimator", ExecutionRoleArn=ROLE, PrimaryContainer=container)
    configure(api, "estimator", variant("estimator"))
    api.sagemaker.create_endpoint(EndpointName="estimator", EndpointConfigName="estimator")
    try:
        assert settled(api, "estimator")["EndpointStatus"] == "InService"
        with pytest.raises(ClientError, match="write a model_fn"):
            runtime.invoke_endpoint(EndpointName="estimator", ContentType="application/x-npy", Body=b"x")
    finally:
        api.sagemaker.delete_endpoint(EndpointName="estimator")


def test_weights_and_another_configuration(api: Api, runtime: Any, picture: bytes, tmp_path: Path) -> None:
    make_model(api, "updated", tmp_path)
    configure(api, "both", variant("updated", VariantName="a"), variant("updated", VariantName="b"))
    configure(api, "single", variant("updated", VariantName="c"))
    api.sagemaker.create_endpoint(EndpointName="updated", EndpointConfigName="both")
    try:
        assert settled(api, "updated")["EndpointStatus"] == "InService"

        def invoked(**members: Any) -> str:
            return runtime.invoke_endpoint(
                EndpointName="updated", ContentType="image/jpeg", Body=picture, **members
            )["InvokedProductionVariant"]

        assert {invoked() for _ in range(8)} == {"a", "b"}
        assert {invoked(TargetVariant="b") for _ in range(3)} == {"b"}
        with pytest.raises(ClientError, match=r"ValidationError.*Variant z of endpoint updated not found"):
            invoked(TargetVariant="z")
        api.sagemaker.update_endpoint_weights_and_capacities(
            EndpointName="updated", DesiredWeightsAndCapacities=[{"VariantName": "a", "DesiredWeight": 0.0}]
        )
        assert settled(api, "updated")["EndpointStatus"] == "InService"
        assert {invoked() for _ in range(6)} == {"b"}
        policy = {
            "BlueGreenUpdatePolicy": {
                "TrafficRoutingConfiguration": {"Type": "ALL_AT_ONCE", "WaitIntervalInSeconds": 0},
                "TerminationWaitInSeconds": 0,
            }
        }
        api.sagemaker.update_endpoint(EndpointName="updated", EndpointConfigName="single", DeploymentConfig=policy)
        found = settled(api, "updated")
        assert (found["EndpointStatus"], found["EndpointConfigName"]) == ("InService", "single")
        assert found["LastDeploymentConfig"] == policy
        assert {invoked() for _ in range(3)} == {"c"}
    finally:
        api.sagemaker.delete_endpoint(EndpointName="updated")
    code, _ = refused(api.sagemaker.describe_endpoint, EndpointName="updated")
    assert code == "ValidationException"


def test_an_update_is_answered_before_its_archive_is_copied_and_goes_back_without_it(api: Api, tmp_path: Path) -> None:
    """Its front is frozen, so that nothing of the update can have been done when the answer comes."""
    make_model(api, "copied", tmp_path)
    make_model(api, "lost", tmp_path)
    configure(api, "copied", variant("copied"))
    configure(api, "lost", variant("lost"))
    api.sagemaker.create_endpoint(EndpointName="copied", EndpointConfigName="copied")
    try:
        assert settled(api, "copied")["EndpointStatus"] == "InService"
        with frozen_front(Endpoints(api.workspace.records).get("copied")):
            api.sagemaker.update_endpoint(EndpointName="copied", EndpointConfigName="lost")
            found = api.sagemaker.describe_endpoint(EndpointName="copied")
            assert (found["EndpointStatus"], found["EndpointConfigName"]) == ("Updating", "lost")
            api.client("s3").delete_object(Bucket=BUCKET, Key="lost/model.tar.gz")
        found = settled(api, "copied")
        assert (found["EndpointStatus"], found["EndpointConfigName"]) == ("InService", "copied")
        assert "rolled back: there is no model archive" in found["FailureReason"]
        api.sagemaker.update_endpoint_weights_and_capacities(
            EndpointName="copied", DesiredWeightsAndCapacities=[{"VariantName": "AllTraffic", "DesiredWeight": 2.0}]
        )
        found = settled(api, "copied")
        assert (found["EndpointStatus"], found["EndpointConfigName"]) == ("InService", "copied")
        assert "FailureReason" not in found
    finally:
        api.sagemaker.delete_endpoint(EndpointName="copied")
