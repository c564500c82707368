"""A real `python -m tintype.serving`, and a client for it."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import httpx

from tintype.serving.endpoints.process import State
from tintype.serving.front.listening import url_of


class RunningServer:
    """One server process. Close it when done."""

    def __init__(self, process: subprocess.Popen[bytes], state: State, log: Path) -> None:
        self.process = process
        self.log = log
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
            return RunningServer(process, state, directory / "log")
        time.sleep(0.02)
    process.kill()
    process.wait()
    raise AssertionError((directory / "log").read_text())
