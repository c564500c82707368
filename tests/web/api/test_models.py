"""Models and endpoint configurations through boto3."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.serving.tiny_archive import write_tiny_archive
from tests.web.api.serving import ROLE, Api

IMAGE = "763104351884.dkr.ecr.us-east-1.amazonaws.com/pytorch-inference:1.8-cpu-py36"


def make_model(api: Api, name: str, tmp_path: Path, **container: Any) -> dict[str, Any]:
    """CreateModel of a small archive; returns the request."""
    archive = write_tiny_archive(tmp_path / "model.tar.gz")
    url = api.put(f"{name}/model.tar.gz", archive.read_bytes())
    request = {
        "ModelName": name,
        "ExecutionRoleArn": ROLE,
        "PrimaryContainer": {"Image": IMAGE, "ModelDataUrl": url, **container},
    }
    api.sagemaker.create_model(**request)
    return request


def variant(model: str, **members: Any) -> dict[str, Any]:
    return {
        "VariantName": "AllTraffic",
        "ModelName": model,
        "InitialInstanceCount": 1,
        "InstanceType": "ml.m5.large",
        "InitialVariantWeight": 1,
        **members,
    }


def refused(call: Any, **request: Any) -> tuple[str, str]:
    with pytest.raises(ClientError) as caught:
        call(**request)
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]


def test_a_model_is_given_back_as_it_came(api: Api, tmp_path: Path) -> None:
    request = make_model(api, "given-back", tmp_path, Environment={"SAGEMAKER_PROGRAM": "inference.py"})
    found = api.sagemaker.describe_model(ModelName="given-back")
    assert found["PrimaryContainer"] == request["PrimaryContainer"]
    assert found["ExecutionRoleArn"] == ROLE
    assert found["ModelArn"] == "arn:aws:sagemaker:us-east-1:000000000000:model/given-back"
    assert found["EnableNetworkIsolation"] is False


def test_models_are_listed_and_deleted(api: Api, tmp_path: Path) -> None:
    for number in range(3):
        make_model(api, f"listed-{number}", tmp_path)
    names = []
    for page in api.sagemaker.get_paginator("list_models").paginate(
        NameContains="listed-", SortBy="Name", SortOrder="Ascending", PaginationConfig={"PageSize": 2}
    ):
        names += [one["ModelName"] for one in page["Models"]]
    assert names == ["listed-0", "listed-1", "listed-2"]
    api.sagemaker.delete_model(ModelName="listed-1")
    assert refused(api.sagemaker.describe_model, ModelName="listed-1") == (
        "ValidationException",
        'Could not find model "arn:aws:sagemaker:us-east-1:000000000000:model/listed-1".',
    )
    assert refused(api.sagemaker.delete_model, ModelName="listed-1")[0] == "ValidationException"


def test_a_name_is_taken_once(api: Api, tmp_path: Path) -> None:
    request = make_model(api, "taken", tmp_path)
    code, message = refused(api.sagemaker.create_model, **request)
    assert code == "ValidationException"
    assert message.startswith("Cannot create already existing model")       # the SDK looks for these words


@pytest.mark.parametrize(
    ("container", "words"),
    [
        ({"ModelDataUrl": "s3://sagemaker-us-east-1-000000000000/nothing/model.tar.gz"}, "Could not access model data"),
        ({"ModelPackageName": "arn:aws:sagemaker:us-east-1:000000000000:model-package/x"}, "no model packages"),
        ({"Mode": "MultiModel"}, "many models"),
    ],
)
def test_what_cannot_be_served_is_said_at_once(api: Api, container: dict[str, Any], words: str) -> None:
    api.put("kept/file", b"")
    code, message = refused(
        api.sagemaker.create_model, ModelName="impossible", ExecutionRoleArn=ROLE, PrimaryContainer=container
    )
    assert code == "ValidationException"
    assert words in message


def test_an_endpoint_configuration(api: Api, tmp_path: Path) -> None:
    make_model(api, "configured", tmp_path)
    request = {
        "EndpointConfigName": "configuration",
        "ProductionVariants": [
            variant("configured", VariantName="a", InitialVariantWeight=3.0),
            variant("configured", VariantName="b"),
        ],
        "DataCaptureConfig": {
            "EnableCapture": True,
            "InitialSamplingPercentage": 20,
            "DestinationS3Uri": "s3://sagemaker-us-east-1-000000000000/capture",
            "CaptureOptions": [{"CaptureMode": "Input"}],
        },
    }
    api.sagemaker.create_endpoint_config(**request, Tags=[{"Key": "team", "Value": "birds"}])
    found = api.sagemaker.describe_endpoint_config(EndpointConfigName="configuration")
    assert found["ProductionVariants"] == request["ProductionVariants"]
    assert found["DataCaptureConfig"] == request["DataCaptureConfig"]
    assert api.sagemaker.list_tags(ResourceArn=found["EndpointConfigArn"])["Tags"] == [
        {"Key": "team", "Value": "birds"}
    ]
    listed = api.sagemaker.list_endpoint_configs(NameContains="configuration")["EndpointConfigs"]
    assert [one["EndpointConfigName"] for one in listed] == ["configuration"]
    code, message = refused(api.sagemaker.create_endpoint_config, **request)
    assert (code, message[:40]) == ("ValidationException", "Cannot create already existing endpoint ")
    api.sagemaker.delete_endpoint_config(EndpointConfigName="configuration")
    code, message = refused(api.sagemaker.describe_endpoint_config, EndpointConfigName="configuration")
    assert "Could not find endpoint configuration" in message


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ({"ModelName": "there-is-no-such-model"}, "Could not find model"),
        ({"InstanceType": "ml.m5.enormous"}, ""),
        ({"AcceleratorType": "ml.eia2.medium"}, "AcceleratorType"),
    ],
)
def test_a_configuration_that_cannot_be(api: Api, tmp_path: Path, members: dict[str, Any], words: str) -> None:
    if not api.sagemaker.list_models(NameContains="for-refusals")["Models"]:
        make_model(api, "for-refusals", tmp_path)
    code, message = refused(
        api.sagemaker.create_endpoint_config,
        EndpointConfigName="impossible",
        ProductionVariants=[variant("for-refusals", **members)],
    )
    assert code == "ValidationException"
    assert words in message
