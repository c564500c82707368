"""The aws command line and the SageMaker SDK as people have them, in an environment of their own."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from tests.examples.sdk_environment import Unavailable, activated, environment
from tests.web.running import Running


class Shell:
    """A shell in which `tintype env` was evaluated and the environment is active."""

    def __init__(self, server: Running) -> None:
        try:
            folder = environment()
        except Unavailable as error:
            pytest.skip(str(error))
        command = [sys.executable, "-m", "tintype", "env", "--home", str(server.home), "--json"]
        said = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
        self.environment = {**activated(folder, {}), **said["variables"]}

    def run(self, *words: str, code: int = 0, seconds: float = 240) -> str:
        done = subprocess.run(words, capture_output=True, text=True, check=False, env=self.environment, timeout=seconds)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout if code == 0 else done.stderr


@pytest.fixture(scope="module")
def shell(server: Running) -> Shell:
    return Shell(server)


@pytest.mark.slow
@pytest.mark.interoperation
def test_the_aws_command_line(shell: Shell, tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    names = ["one.txt", "sub/two é+%20.txt", "sub/deep/er/three", "empty"]
    for name in names:
        (here / name).parent.mkdir(parents=True, exist_ok=True)
        (here / name).write_text(name if name != "empty" else "")
    (here / "big").write_bytes(b"0123456789" * 1_100_000)
    shell.run("aws", "s3", "mb", "s3://from-aws")
    shell.run("aws", "s3", "cp", str(here), "s3://from-aws/a", "--recursive", "--only-show-errors")
    listed = shell.run("aws", "s3", "ls", "s3://from-aws", "--recursive")
    assert [line.split(maxsplit=3)[3] for line in listed.splitlines()] == sorted(
        f"a/{name}" for name in [*names, "big"]
    )
    assert "PRE sub/" in shell.run("aws", "s3", "ls", "s3://from-aws/a/")
    shell.run("aws", "s3", "sync", "s3://from-aws/a", str(there), "--only-show-errors")
    assert {p.relative_to(there): p.read_bytes() for p in there.rglob("*") if p.is_file()} == {
        p.relative_to(here): p.read_bytes() for p in here.rglob("*") if p.is_file()
    }
    assert shell.run("aws", "s3", "sync", "s3://from-aws/a", str(there)) == ""  # all is there already
    (there / "one.txt").write_text("changed and longer")
    assert "upload:" in shell.run("aws", "s3", "sync", str(there), "s3://from-aws/a")
    url = shell.run("aws", "s3", "presign", "s3://from-aws/a/one.txt").strip()
    with urllib.request.urlopen(url) as answer:
        assert answer.read() == b"changed and longer"
    shell.run("aws", "s3", "mv", "s3://from-aws/a/one.txt", "s3://from-aws/moved", "--only-show-errors")
    shell.run("aws", "s3", "rm", "s3://from-aws/a", "--recursive", "--only-show-errors")
    assert "moved" in shell.run("aws", "s3", "ls", "s3://from-aws")
    assert "BucketNotEmpty" in shell.run("aws", "s3", "rb", "s3://from-aws", code=1)
    shell.run("aws", "s3", "rb", "s3://from-aws", "--force")
    assert "NoSuchBucket" in shell.run("aws", "s3", "ls", "s3://from-aws", code=255)
    assert (
        json.loads(shell.run("aws", "sagemaker", "list-training-jobs", "--output", "json"))["TrainingJobSummaries"]
        == []
    )


SDK = """
import sagemaker
session = sagemaker.Session()
print(sagemaker.get_execution_role())
print(session.account_id(), session.default_bucket())
print(session.upload_data(%r, key_prefix="data"))
print(session.read_s3_file(session.default_bucket(), "data/one"))
print(sagemaker.s3.S3Downloader.list("s3://" + session.default_bucket() + "/data"))
"""


@pytest.mark.slow
@pytest.mark.interoperation
def test_the_sagemaker_sdk_finds_its_role_and_its_bucket(shell: Shell, tmp_path: Path) -> None:
    folder = tmp_path / "data"
    (folder / "sub").mkdir(parents=True)
    (folder / "one").write_text("1")
    (folder / "sub" / "two").write_text("2")
    bucket = "sagemaker-us-east-1-000000000000"
    printed = shell.run("python", "-W", "ignore", "-c", SDK % str(folder)).splitlines()
    assert [line for line in printed if not line.startswith("sagemaker.config")] == [
        "arn:aws:iam::000000000000:role/TintypeExecutionRole",
        f"000000000000 {bucket}",
        f"s3://{bucket}/data",
        "1",
        f"['s3://{bucket}/data/one', 's3://{bucket}/data/sub/two']",
    ]
