"""`tintype server` and `tintype env` as processes: one server for a home, a clean end, what a client needs to know."""

from __future__ import annotations

import json
import os
import shlex
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.web.running import Running, running
from tintype.web.keys import home_key
from tintype.web.presence import running_url

TINTYPE = [sys.executable, "-m", "tintype"]
SECONDS = 120                   # others may use the machine too


def call(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    more = {**os.environ, **environment}
    return subprocess.run([*TINTYPE, *words], capture_output=True, text=True, check=False, env=more, timeout=SECONDS)


def refuses(server: Running) -> bool:
    """Nobody new comes in."""
    address = urlsplit(server.url)
    with socket.socket() as probe:
        return probe.connect_ex((str(address.hostname), address.port or 0)) != 0


def test_a_home_has_one_server(server: Running) -> None:
    second = call("server", "--home", str(server.home), "--port", "0")
    assert (second.returncode, f"runs already, at {server.url}" in second.stderr) == (2, True), second.stderr
    assert running_url(server.home) == server.url


def test_a_port_that_is_taken_and_a_host_that_is_not_ours(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        answer = call("server", "--home", str(tmp_path), "--port", port)
    assert (answer.returncode, "choose another --port" in answer.stderr) == (2, True), answer.stderr
    answer = call("server", "--home", str(tmp_path), "--host", "no such host")
    assert (answer.returncode, "no address of this machine" in answer.stderr) == (2, True), answer.stderr
    assert running_url(tmp_path) is None


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_it_finishes_what_it_is_doing_and_ends_well(tmp_path: Path, how: signal.Signals) -> None:
    home = tmp_path / "home"
    with running(home) as server:
        s3 = server.client("s3")
        s3.put_object(Bucket="sagemaker-us-east-1-000000000000", Key="k", Body=b"x" * 30_000_000)
        body = s3.get_object(Bucket="sagemaker-us-east-1-000000000000", Key="k")["Body"]
        size = len(body.read(100_000))
        server.process.send_signal(how)
        while not refuses(server):
            time.sleep(0.01)
        assert size + len(body.read()) == 30_000_000
        assert server.process.wait(SECONDS) == 0
        assert not (home / "server" / "address.json").exists()
    with running(home) as server:  # and begins again with everything there
        body = server.client("s3").get_object(Bucket="sagemaker-us-east-1-000000000000", Key="k")["Body"]
        assert len(body.read()) == 30_000_000


def test_a_killed_server_is_no_obstacle_to_the_next(tmp_path: Path) -> None:
    home = tmp_path / "home"
    with running(home) as server:
        key = server.key
        server.process.kill()
        server.process.wait()
        assert running_url(home) is None
    with running(home) as server:
        assert server.key == key


def test_env_points_at_the_running_server_in_words_for_a_shell(server: Running) -> None:
    answer = call("env", "--home", str(server.home))
    assert answer.returncode == 0, answer.stderr
    script = f'{answer.stdout}\necho "$AWS_ENDPOINT_URL|$AWS_ACCESS_KEY_ID|$AWS_PROFILE|$AWS_REGION"'
    shell = subprocess.run(
        ["sh", "-eu", "-c", script.replace("$AWS_PROFILE", "${AWS_PROFILE-none}")],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "AWS_PROFILE": "mine", "PATH": os.environ["PATH"]},
    )
    assert shell.stdout.strip() == f"{server.url}|{server.key.access_key_id}|none|us-east-1"


def test_env_before_any_server_makes_the_key(tmp_path: Path) -> None:
    home = tmp_path / "a home's"
    answer = call("env", "--home", str(home), "--port", "9000", "--json", PYTHONPATH="/mine", AWS_DATA_PATH="/models")
    document: dict[str, Any] = json.loads(answer.stdout)
    variables = document["variables"]
    assert variables["AWS_ENDPOINT_URL"] == "http://127.0.0.1:9000"
    assert variables["AWS_SECRET_ACCESS_KEY"] == home_key(home).secret_access_key
    assert variables["PYTHONPATH"].endswith(f"{os.pathsep}/mine")
    assert variables["AWS_DATA_PATH"] == f"{home}/server/client/botocore{os.pathsep}/models"
    assert "TelemetryOptOut: true" in Path(variables["SAGEMAKER_USER_CONFIG_OVERRIDE"]).read_text()
    assert "AWS_SESSION_TOKEN" in document["unset"]
    quoted = call("env", "--home", str(home)).stdout
    assert f"export AWS_DATA_PATH={shlex.quote(f'{home}/server/client/botocore')}" in quoted


STS = """
import boto3
client = boto3.client("sts", endpoint_url="https://sts.us-east-1.amazonaws.com")      # as the SageMaker SDK does
print(client.get_caller_identity()["Arn"])
import smdebug.trials
print(smdebug.__version__)
"""


def test_a_client_that_names_awss_own_sts_is_answered_here(server: Running) -> None:
    variables = json.loads(call("env", "--home", str(server.home), "--json").stdout)["variables"]
    answer = subprocess.run(
        [sys.executable, "-c", STS],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **variables},
        timeout=SECONDS,
    )
    assert answer.stdout.split() == ["arn:aws:sts::000000000000:assumed-role/TintypeExecutionRole/tintype", "1.0.34"], (
        answer
    )
