"""Requests whose answers go into a bucket, and a server that ends before they do."""

from __future__ import annotations

import asyncio
import io
import json
import tarfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from tests.web.api.serving import BUCKET, ROLE, Api, serving
from tests.web.api.test_endpoints import configure, settled, variant
from tintype.web.api.async_invocations import KIND, invocations_resumed

SCRIPT = b"""
import pathlib, time
def model_fn(folder):
    return pathlib.Path(folder, "gate.txt").read_text()
def input_fn(body, content_type):
    while not pathlib.Path(GATE).exists():
        time.sleep(0.05)
    return body
def predict_fn(data, model):
    return {"length": len(data)}
"""


def endpoint(api: Api, name: str, gate: Path) -> None:
    """An endpoint that answers once the file `gate` is there."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as bundle:
        script = SCRIPT.replace(b"GATE", repr(str(gate)).encode())
        for member, content in (("code/inference.py", script), ("gate.txt", b"w")):
            info = tarfile.TarInfo(member)
            info.size = len(content)
            bundle.addfile(info, io.BytesIO(content))
    url = api.put(f"{name}/model.tar.gz", packed.getvalue())
    api.sagemaker.create_model(ModelName=name, ExecutionRoleArn=ROLE, PrimaryContainer={"ModelDataUrl": url})
    output = {"OutputConfig": {"S3OutputPath": f"s3://{BUCKET}/answers"}}
    configure(api, name, variant(name), AsyncInferenceConfig=output)
    api.sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=name)
    found = settled(api, name)
    assert found["EndpointStatus"] == "InService", found


def invoke(api: Api, name: str, body: bytes = b"four") -> Path:
    """Ask; the file that the answer will be."""
    location = api.put(f"asked/{len(body)}", body)
    answer = api.client("sagemaker-runtime").invoke_endpoint_async(EndpointName=name, InputLocation=location)
    return api.bucket / answer["OutputLocation"].removeprefix(f"s3://{BUCKET}/")


def kept(api: Api) -> list[Any]:
    return api.workspace.records.list(KIND)


async def resumed(api: Api, file: Path) -> None:
    async with invocations_resumed(api.context):
        deadline = time.monotonic() + 120
        while not file.exists() or kept(api):
            assert time.monotonic() < deadline
            await asyncio.sleep(0.05)


def test_what_one_server_has_taken_the_next_one_answers(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    with serving(tmp_path / "home") as api:
        endpoint(api, "gated", gate)
        answer = invoke(api, "gated")
        reason = answer.with_name(f"{answer.name}-error.out")
        (body,) = [Path(one.document["body"]) for one in kept(api)]
        assert body.read_bytes() == b"four"
    try:
        with serving(tmp_path / "home") as api:
            assert not answer.exists()
            gate.touch()
            asyncio.run(resumed(api, answer))
            assert answer.read_text() == '{"length": 4}'
            assert not reason.exists()
            assert not body.exists()
    finally:
        with serving(tmp_path / "home") as api:
            api.sagemaker.delete_endpoint(EndpointName="gated")


def test_more_at_once_than_the_endpoint_has_places_for(tmp_path: Path) -> None:
    """Its queue takes 64 requests; all 100 are answered, each with its own answer."""
    gate = tmp_path / "gate"
    with serving(tmp_path / "home") as api:
        endpoint(api, "crowd", gate)
        try:
            with ThreadPoolExecutor(10) as pool:
                answers = list(pool.map(lambda size: invoke(api, "crowd", b"x" * size), range(1, 101)))
            assert len(kept(api)) == 100
            assert not any(file.exists() for file in answers)
            gate.touch()
            deadline = time.monotonic() + 180
            while kept(api):
                assert time.monotonic() < deadline
                time.sleep(0.05)
            assert [json.loads(file.read_bytes())["length"] for file in answers] == list(range(1, 101))
        finally:
            api.sagemaker.delete_endpoint(EndpointName="crowd")


def test_of_an_endpoint_that_is_gone_the_reason_is_told(tmp_path: Path) -> None:
    with serving(tmp_path / "home") as api:
        endpoint(api, "going", tmp_path / "never")
        answer = invoke(api, "going")
        reason = answer.with_name(f"{answer.name}-error.out")
    with serving(tmp_path / "home") as api:
        api.sagemaker.delete_endpoint(EndpointName="going")
        asyncio.run(resumed(api, reason))
        assert "Endpoint going of account 000000000000 not found" in reason.read_text()
        assert not answer.exists()
