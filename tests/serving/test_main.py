"""`python -m tintype.serving`: exit codes, the state file, draining on SIGTERM."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from tests.serving.running_server import PATIENCE_SECONDS, RunningServer
from tests.serving.test_service import metric, wait_for
from tintype.errors import InvalidRequest, NotFound
from tintype.models.archive import open_archive, write_description
from tintype.serving.__main__ import main
from tintype.serving.endpoints.process import ProcessIdentity, State
from tintype.serving.token import token_of

Starter = Callable[..., RunningServer]


def exit_code(*options: str) -> int:
    return subprocess.run([sys.executable, "-m", "tintype.serving", *options], capture_output=True).returncode


def test_wrong_use_is_exit_code_2_with_one_line(archive: Path, tmp_path: Path) -> None:
    state = tmp_path / "state.json"
    command = [sys.executable, "-m", "tintype.serving", "--archive", str(archive), "--state", str(state)]
    ended = subprocess.run([*command, "--host", "0.0.0.0"], capture_output=True, text=True)
    assert ended.returncode == 2
    assert len(ended.stderr.splitlines()) == 1
    assert "a token is needed" in ended.stderr
    assert "a token is needed" in json.loads(state.read_text())["failure"]


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("--queue-capacity=0", "--queue-capacity"),
        ("--body-limit-bytes=many", "--body-limit-bytes"),
        ("--default-accept=image/png", "image/png"),
        ("--runtime=abacus", "no runtime named 'abacus'"),
        ("--port=99999", "0 to 65535"),
        ("--host=203.0.113.1", "token"),
        ("--token-file=/nowhere/token", "/nowhere/token"),
    ],
)
def test_a_wrong_option_is_named(archive: Path, tmp_path: Path, option: str, message: str) -> None:
    state = tmp_path / "state.json"
    assert exit_code("--archive", str(archive), "--state", str(state), option) == 2
    found = State.read(state)
    assert found
    assert message in found.failure


def test_an_address_or_an_archive_that_is_not_there(archive: Path, tmp_path: Path) -> None:
    state = tmp_path / "state.json"
    elsewhere = ["--archive", str(archive), "--state", str(state), "--host", "203.0.113.1"]
    assert main(elsewhere, {"TINTYPE_TOKEN": "s3cret"}) == 2
    assert "no such address" in state.read_text()
    assert exit_code("--archive", str(tmp_path / "none.tar.gz"), "--state", str(state)) == 2
    assert "none.tar.gz" in state.read_text()
    assert exit_code("--archive", str(archive), "--state", str(tmp_path / "gone" / "state.json")) == 2
    assert not (tmp_path / "gone").exists()             # a deleted endpoint's directory is not made again


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("--drain-seconds=inf", "--drain-seconds: Input should be a finite number"),
        ("--request-seconds=nan", "--request-seconds: "),
        ("--access-log=/nowhere/access.log", "--access-log /nowhere/access.log: there is no folder /nowhere"),
    ],
)
def test_an_option_that_cannot_be_is_named(archive: Path, tmp_path: Path, option: str, message: str) -> None:
    state = tmp_path / "state.json"
    assert exit_code("--archive", str(archive), "--state", str(state), option) == 2
    assert message in state.read_text()


def test_an_archive_whose_preprocessing_is_wrong_is_refused_without_tracebacks(archive: Path, tmp_path: Path) -> None:
    model = open_archive(archive, tmp_path / "model")
    blind = {**model.description.preprocessing, "std": [1e-310, 1, 1]}
    write_description(model.directory, model.description.model_copy(update={"preprocessing": blind}))
    command = [sys.executable, "-m", "tintype.serving", "--archive", str(model.directory)]
    ended = subprocess.run([*command, "--state", str(tmp_path / "state.json")], capture_output=True, text=True)
    assert ended.returncode == 2
    assert "the archive's description is wrong: no pixels can be told apart" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_any_name_will_do(start_server: Starter, archive: Path, picture) -> None:
    running = start_server(archive, "--name", "a\nb/../ü")
    assert running.invoke(picture(), "image/png").status_code == 200
    assert running.http.get("/metrics").status_code == 200


def test_where_the_token_comes_from(tmp_path: Path) -> None:
    assert token_of(None, {}) is None
    assert token_of(None, {"TINTYPE_TOKEN": ""}) is None
    assert token_of(None, {"TINTYPE_TOKEN": "a"}) == "a"
    (tmp_path / "token").write_text("b\n")
    assert token_of(tmp_path / "token", {"TINTYPE_TOKEN": "a"}) == "b"
    (tmp_path / "empty").write_text("\n")
    with pytest.raises(InvalidRequest, match="empty"):
        token_of(tmp_path / "empty", {})
    with pytest.raises(NotFound):
        token_of(tmp_path / "none", {})


def test_the_state_file_tells_who_serves_where(server: RunningServer) -> None:
    found = State.read(server.log.parent / "state.json")
    assert found == State(ProcessIdentity.of(server.process.pid), "127.0.0.1", server.port)


def test_sigterm_lets_requests_end_and_leaves_nothing(start_server: Starter, archive: Path, picture) -> None:
    running = start_server(archive, "--drain-seconds=200", "--inference-seconds=200", "--request-seconds=200")
    (network,) = running.named("network")
    statuses: list[int] = []
    askers = [
        threading.Thread(target=lambda: statuses.append(ask(running, picture()).status_code)) for _ in range(8)
    ]
    os.kill(network, signal.SIGSTOP)                    # so that all are inside, and none is answered
    for one in askers:
        one.start()
    wait_for(lambda: metric(running, "tintype_inside") == len(askers))
    running.process.send_signal(signal.SIGTERM)
    wait_for(running.is_gone)                           # nobody new comes in
    os.kill(network, signal.SIGCONT)
    for one in askers:
        one.join(PATIENCE_SECONDS)
    assert statuses == [200] * 8
    assert running.process.wait(PATIENCE_SECONDS) == 0
    assert "Traceback" not in running.log.read_text()


def ask(running: RunningServer, content: bytes) -> httpx.Response:
    """On a connection of its own."""
    url, headers = f"{running.url}/invocations", {"Content-Type": "image/png"}
    return httpx.post(url, content=content, headers=headers, trust_env=False, timeout=PATIENCE_SECONDS)


def test_draining_has_an_end(start_server: Starter, archive: Path) -> None:
    running = start_server(archive, "--drain-seconds=1", "--body-seconds=600")
    with socket.create_connection(("127.0.0.1", running.port)) as stuck:
        stuck.sendall(b"POST /invocations HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nabc")
        wait_for(lambda: running.connections() == 1)
        running.process.send_signal(signal.SIGTERM)
        assert running.process.wait(PATIENCE_SECONDS) == 0


def test_an_idle_connection_does_not_delay_the_end(start_server: Starter, archive: Path) -> None:
    running = start_server(archive, "--drain-seconds=600")
    assert running.http.get("/ping").status_code == 200         # the connection stays open
    running.process.send_signal(signal.SIGTERM)
    assert running.process.wait(PATIENCE_SECONDS) == 0
