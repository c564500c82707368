"""A tiny model, pictures of one colour in every format, and a real server on loopback."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from PIL import Image
from tiny_archive import write_tiny_archive

from tintype.serving.listening import url_of
from tintype.serving.predictor import Predictor
from tintype.serving.process import State

Picture = Callable[..., bytes]
StartServer = Callable[..., "RunningServer"]


class RunningServer:
    """One `python -m tintype.serving` and a client for it."""

    def __init__(self, process: subprocess.Popen[bytes], state: State) -> None:
        self.process = process
        self.port = state.port
        self.url = url_of(state.host, state.port)
        self.http = httpx.Client(base_url=self.url, trust_env=False, timeout=30)

    def invoke(self, content: bytes, content_type: str = "application/octet-stream", **headers: str) -> httpx.Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.http.post("/invocations", content=content, headers={"Content-Type": content_type, **named})

    def close(self) -> None:
        self.http.close()
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()


@pytest.fixture(scope="session")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_archive(tmp_path_factory.mktemp("archive") / "model.tar.gz")


@pytest.fixture(scope="session")
def predictor(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Predictor:
    return Predictor.open(archive, tmp_path_factory.mktemp("unpacked") / "model", threads=1)


@pytest.fixture(scope="session")
def picture() -> Picture:
    def make(form: str = "PNG", colour: tuple[int, int, int] = (250, 10, 10), size: tuple[int, int] = (40, 24)) -> bytes:
        stream = io.BytesIO()
        Image.new("RGB", size, colour).save(stream, form)
        return stream.getvalue()

    return make


def launch(archive: Path, directory: Path, *options: str) -> RunningServer:
    """Start a server and wait for its state file to name the port."""
    state_file = directory / "state.json"
    command = [sys.executable, "-m", "tintype.serving", "--archive", str(archive), "--state", str(state_file)]
    with (directory / "log").open("wb") as log:
        process = subprocess.Popen(
            [*command, "--inference-threads=1", *options], stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
    deadline = time.monotonic() + 60
    while process.poll() is None and time.monotonic() < deadline:
        state = State.read(state_file)
        if state and state.port:
            return RunningServer(process, state)
        time.sleep(0.02)
    process.kill()
    process.wait()
    raise AssertionError((directory / "log").read_text())


@pytest.fixture(scope="module")
def server(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """One server for the tests of a file; small limits, so that they can be met."""
    limits = ("--body-limit-bytes=300000", "--images-per-request=4", "--body-seconds=1", "--max-pixels=1000000")
    running = launch(archive, tmp_path_factory.mktemp("server"), *limits)
    yield running
    running.close()


@pytest.fixture
def start_server(tmp_path: Path) -> Iterator[StartServer]:
    started: list[RunningServer] = []

    def start(archive: Path, *options: str) -> RunningServer:
        directory = tmp_path / f"server{len(started)}"
        os.mkdir(directory)
        started.append(launch(archive, directory, *options))
        return started[-1]

    yield start
    for one in started:
        one.close()
