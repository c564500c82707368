"""A server with everything behind it, in a home of its own, and the clients of boto3 that speak to it."""

from __future__ import annotations

import io
import socket
import tarfile
import textwrap
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import boto3
import uvicorn
from botocore.config import Config

from tests.jobs.running_engine import LIGHT, QUICK
from tintype.jobs.client import Engine
from tintype.settings import Settings
from tintype.web.account import Account
from tintype.web.api.operations import OPERATIONS
from tintype.web.app import App, Parts
from tintype.web.context import Context
from tintype.web.keys import home_key
from tintype.web.s3.buckets import Buckets
from tintype.workspace import Workspace, open_workspace

ROLE = "arn:aws:iam::000000000000:role/service-role/SageMakerRole"
IMAGE = "763104351884.dkr.ecr.us-east-1.amazonaws.com/pytorch-training:1.8-gpu-py36"
BUCKET = "sagemaker-us-east-1-000000000000"
SECONDS = 180.0
OVER = ("Completed", "Failed", "Stopped")

Json = dict[str, Any]


@dataclass
class Api:
    """The server, seen from a notebook."""

    context: Context

    @property
    def workspace(self) -> Workspace:
        return self.context.workspace

    @property
    def variables(self) -> dict[str, str]:
        """What a shell has to export for clients to find it."""
        return {
            "AWS_ENDPOINT_URL": self.context.base_url,
            "AWS_ACCESS_KEY_ID": self.context.key.access_key_id,
            "AWS_SECRET_ACCESS_KEY": self.context.key.secret_access_key,
            "AWS_DEFAULT_REGION": "us-east-1",
        }

    def client(self, service: str) -> Any:
        key = self.context.key
        return boto3.client(
            service,
            endpoint_url=self.context.base_url,
            region_name="us-east-1",
            aws_access_key_id=key.access_key_id,
            aws_secret_access_key=key.secret_access_key,
            config=Config(retries={"max_attempts": 0}, parameter_validation=False),
        )

    @cached_property
    def sagemaker(self) -> Any:
        return self.client("sagemaker")

    @cached_property
    def logs(self) -> Any:
        return self.client("logs")

    @cached_property
    def cloudwatch(self) -> Any:
        return self.client("cloudwatch")

    @property
    def bucket(self) -> Path:
        """The files of the default bucket, where its objects are."""
        return self.context.buckets.root / BUCKET

    def put(self, key: str, content: bytes) -> str:
        """An object, and its URI."""
        self.context.buckets.create(BUCKET)
        path = self.bucket / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return f"s3://{BUCKET}/{key}"

    def source(self, **files: str) -> str:
        """A sourcedir.tar.gz as the SDK makes them, and its URI; `files` are their texts by stem."""
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w:gz") as bundle:
            for stem, text in files.items():
                content = textwrap.dedent(text).encode()
                member = tarfile.TarInfo(f"{stem}.py")
                member.size = len(content)
                bundle.addfile(member, io.BytesIO(content))
        return self.put(f"sources/{abs(hash(packed.getvalue()))}/sourcedir.tar.gz", packed.getvalue())

    def training(self, name: str, script: str, **members: Any) -> Json:
        """A CreateTrainingJob request as the SDK would make it for a script."""
        own = members.pop("HyperParameters", {})
        algorithm = members.pop("AlgorithmSpecification", {})
        request = {
            "TrainingJobName": name,
            "HyperParameters": {**self.script_mode(script), **own},
            "AlgorithmSpecification": {"TrainingInputMode": "File", "TrainingImage": IMAGE, **algorithm},
            "RoleArn": ROLE,
            "OutputDataConfig": {"S3OutputPath": f"s3://{BUCKET}/"},
            "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 30},
            "StoppingCondition": {"MaxRuntimeInSeconds": 86400},
        }
        return {**request, **members}

    def script_mode(self, script: str) -> dict[str, str]:
        return {
            "sagemaker_program": '"train.py"',
            "sagemaker_submit_directory": f'"{self.source(train=script)}"',
            "sagemaker_container_log_level": "20",
            "sagemaker_region": '"us-east-1"',
        }

    def train(self, name: str, script: str, **members: Any) -> Json:
        """A job from its request to its end; returns its description."""
        self.sagemaker.create_training_job(**self.training(name, script, **members))
        return self.ended(name)

    def ended(self, name: str) -> Json:
        return _until(lambda: self.sagemaker.describe_training_job(TrainingJobName=name), "TrainingJobStatus")

    def tuned(self, name: str) -> Json:
        return _until(
            lambda: self.sagemaker.describe_hyper_parameter_tuning_job(HyperParameterTuningJobName=name),
            "HyperParameterTuningJobStatus",
        )


def _until(describe: Any, member: str) -> Json:
    deadline = time.monotonic() + SECONDS
    while (description := describe())[member] not in OVER:
        assert time.monotonic() < deadline, f"not over: {description}"
        time.sleep(0.05)
    return description


@contextmanager
def serving(home: Path) -> Iterator[Api]:
    """The server in a thread, on a port that is free; jobs are forked from a process that has nothing loaded."""
    listener = socket.create_server(("127.0.0.1", 0))
    address = f"http://127.0.0.1:{listener.getsockname()[1]}"
    with (
        open_workspace(Settings(home=home)) as workspace,
        Engine(workspace.settings, workspace.jobs, pace=QUICK, preload=LIGHT) as engine,
    ):
        buckets = Buckets(home / "s3")
        buckets.prepare()
        context = Context(workspace, Account(), home_key(home), buckets, address, lambda: datetime.now(UTC))
        engine.warm_up()                # the agent of this home is this one, whoever asks for it later
        server = uvicorn.Server(uvicorn.Config(App(Parts(context, OPERATIONS)), log_level="error"))
        thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
        thread.start()
        try:
            yield Api(context)
        finally:
            server.should_exit = True
            thread.join(SECONDS)
            listener.close()
