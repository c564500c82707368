"""Batch transform through boto3: the unlabelled folder of a project, one answer for each picture."""

from __future__ import annotations

import io
import json
import os
import signal
import tarfile
import time
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from PIL import Image

from tests.web.api.serving import BUCKET, OVER, ROLE, Api
from tests.web.api.test_models import make_model, refused
from tintype.pipeline.transform_jobs import KIND

COLOURS = {"red": (220, 20, 20), "green": (20, 200, 20), "blue": (20, 20, 220)}
SLOW = """
import time
def model_fn(folder):
    return None
def predict_fn(data, model):
    time.sleep(0.3)
    return [len(data)]
def input_fn(body, content_type):
    return body
"""


def pictures(api: Api, prefix: str) -> None:
    for number, (name, colour) in enumerate(COLOURS.items()):
        content = io.BytesIO()
        Image.new("RGB", (20, 20), colour).save(content, "JPEG")
        api.put(f"{prefix}/deep/{number}-{name}.jpg", content.getvalue())


def request_of(name: str, model: str, prefix: str, **members: Any) -> dict[str, Any]:
    return {
        "TransformJobName": name,
        "ModelName": model,
        "TransformInput": {
            "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": f"s3://{BUCKET}/{prefix}"}},
            "ContentType": "image/jpeg",
        },
        "TransformOutput": {"S3OutputPath": f"s3://{BUCKET}/{name}-out", "Accept": "application/json"},
        "TransformResources": {"InstanceType": "ml.m5.large", "InstanceCount": 1},
        **members,
    }


def ended(api: Api, name: str, seconds: float = 180.0) -> dict[str, Any]:
    deadline = time.monotonic() + seconds
    while (found := api.sagemaker.describe_transform_job(TransformJobName=name))["TransformJobStatus"] not in OVER:
        assert time.monotonic() < deadline, found
        time.sleep(0.1)
    return found


def await_outputs(api: Api, name: str, count: int) -> None:
    deadline = time.monotonic() + 180
    while len(list((api.bucket / f"{name}-out").glob("*.out"))) < count:
        found = api.sagemaker.describe_transform_job(TransformJobName=name)
        assert found["TransformJobStatus"] == "InProgress", found
        assert time.monotonic() < deadline
        time.sleep(0.05)


def script_model(api: Api, name: str, script: str) -> None:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as bundle:
        member = tarfile.TarInfo("code/inference.py")
        member.size = len(script)
        bundle.addfile(member, io.BytesIO(script.encode()))
    url = api.put(f"{name}/model.tar.gz", packed.getvalue())
    api.sagemaker.create_model(ModelName=name, ExecutionRoleArn=ROLE, PrimaryContainer={"ModelDataUrl": url})


def test_every_picture_below_the_prefix_has_an_answer(api: Api, tmp_path: Path) -> None:
    make_model(api, "colours", tmp_path)
    pictures(api, "unlabelled")
    request = request_of("colours-1", "colours", "unlabelled/")
    api.sagemaker.create_transform_job(**request, Tags=[{"Key": "a", "Value": "b"}])
    found = ended(api, "colours-1")
    assert found["TransformJobStatus"] == "Completed", found
    assert found["TransformInput"] == request["TransformInput"]
    assert found["TransformEndTime"] >= found["TransformStartTime"] >= found["CreationTime"]
    for number, name in enumerate(COLOURS):
        answer = json.loads((api.bucket / "colours-1-out" / "deep" / f"{number}-{name}.jpg.out").read_text())
        assert answer["predictions"][0]["label"] == name
    listed = api.sagemaker.list_transform_jobs(NameContains="colours-1")["TransformJobSummaries"]
    assert [one["TransformJobStatus"] for one in listed] == ["Completed"]
    group = "/aws/sagemaker/TransformJobs"
    found = api.logs.describe_log_streams(logGroupName=group, logStreamNamePrefix="colours-1/")
    assert len(found["logStreams"]) == 1


def test_a_bad_picture_fails_the_job_and_spares_the_others(api: Api, tmp_path: Path) -> None:
    make_model(api, "colours-bad", tmp_path)
    pictures(api, "spoilt")
    api.put("spoilt/deep/9-text.jpg", b"no picture at all")
    api.sagemaker.create_transform_job(**request_of("spoilt", "colours-bad", "spoilt"))
    found = ended(api, "spoilt")
    assert found["TransformJobStatus"] == "Failed"
    assert "1 of 4 files have no answer" in found["FailureReason"]
    assert "9-text.jpg" in found["FailureReason"]
    assert len(list((api.bucket / "spoilt-out").rglob("*.out"))) == 3


def test_answers_end_with_a_line_where_that_is_asked_for(api: Api) -> None:
    script_model(api, "lines", SLOW)
    api.put("lines/a.bin", b"abc")
    request = request_of("lines-1", "lines", "lines/a.bin")
    request["TransformOutput"]["AssembleWith"] = "Line"
    api.sagemaker.create_transform_job(**request)
    assert ended(api, "lines-1")["TransformJobStatus"] == "Completed"
    assert [path.read_bytes() for path in (api.bucket / "lines-1-out").rglob("*.out")] == [b"[3]\n"]


def test_a_later_job_writes_the_answers_of_an_earlier_one_anew(api: Api) -> None:
    script_model(api, "first-model", SLOW)
    script_model(api, "second-model", SLOW.replace("[len(data)]", "['second']"))
    api.put("anew/a.bin", b"abc")
    for number, model in enumerate(("first-model", "second-model")):
        request = request_of(f"anew-{number}", model, "anew/")
        request["TransformOutput"]["S3OutputPath"] = f"s3://{BUCKET}/anew-out"
        api.sagemaker.create_transform_job(**request)
        assert ended(api, f"anew-{number}")["TransformJobStatus"] == "Completed"
    assert (api.bucket / "anew-out" / "a.bin.out").read_bytes() == b'["second"]'


def test_a_job_is_stopped(api: Api) -> None:
    script_model(api, "slow", SLOW)
    for number in range(200):
        api.put(f"many/{number:03d}.bin", b"x")
    api.sagemaker.create_transform_job(**request_of("many", "slow", "many/", MaxConcurrentTransforms=1))
    await_outputs(api, "many", 1)
    api.sagemaker.stop_transform_job(TransformJobName="many")
    assert ended(api, "many")["TransformJobStatus"] == "Stopped"
    assert len(list((api.bucket / "many-out").glob("*.out"))) < 200
    assert refused(api.sagemaker.stop_transform_job, TransformJobName="many")[0] == "ValidationException"


def test_a_killed_job_goes_on_and_answers_nothing_twice(api: Api) -> None:
    script_model(api, "slow-too", SLOW)
    for number in range(12):
        api.put(f"some/{number:03d}.bin", b"x")
    api.sagemaker.create_transform_job(**request_of("killed", "slow-too", "some/", MaxConcurrentTransforms=1))
    out = api.bucket / "killed-out"
    await_outputs(api, "killed", 2)
    first = {path.name: path.stat().st_mtime_ns for path in out.glob("*.out")}
    holder = api.workspace.records.holder(KIND, "killed")
    assert holder is not None
    os.kill(holder.owner.pid, signal.SIGKILL)
    assert ended(api, "killed")["TransformJobStatus"] == "Completed"
    assert len(list(out.glob("*.out"))) == 12
    assert all((out / name).stat().st_mtime_ns == at for name, at in first.items())


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ({"ModelName": "there-is-none"}, "Could not find model"),
        ({"DataProcessing": {"JoinSource": "Input"}}, "JoinSource"),
    ],
)
def test_what_cannot_be_transformed(api: Api, tmp_path: Path, members: dict[str, Any], words: str) -> None:
    if not api.sagemaker.list_models(NameContains="only-refused")["Models"]:
        make_model(api, "only-refused", tmp_path)
    api.put("refused/a.jpg", b"x")
    request = request_of("no", "only-refused", "refused", **members)
    code, message = refused(api.sagemaker.create_transform_job, **request)
    assert code == "ValidationException"
    assert words in message


def test_a_name_that_is_not_known(api: Api) -> None:
    with pytest.raises(ClientError, match="Could not find requested job"):
        api.sagemaker.describe_transform_job(TransformJobName="nobody")
