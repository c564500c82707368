"""A real `python -m tintype.serving`, and a client for it."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import psutil

from tintype.serving.endpoints.process import State
from tintype.serving.front.listening import url_of

PATIENCE_SECONDS = 120          # for what takes a second or two: others may use the machine too


class RunningServer:
    """One server process. Close it when done."""

    def __init__(self, process: subprocess.Popen[bytes], state: State, log: Path) -> None:
        self.process = process
        self.log = log
        self.port = state.port
        self.url = url_of(state.host, state.port)
        self.http = httpx.Client(base_url=self.url, trust_env=False, timeout=PATIENCE_SECONDS)

    def invoke(self, content: bytes, content_type: str = "application/octet-stream", **headers: str) -> httpx.Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.http.post("/invocations", content=content, headers={"Content-Type": content_type, **named})

    def named(self, name: str) -> list[int]:
        """The processes that show that name: "front", "nursery", "decoder", "network"."""
        found = []
        for one in psutil.Process(self.process.pid).children(recursive=True):
            with contextlib.suppress(psutil.NoSuchProcess):
                if one.name() == f"tintype-{name}":
                    found.append(one.pid)
        return found

    def connections(self) -> int:
        """How many callers its front has let in."""
        found = [one for pid in self.named("front") for one in psutil.Process(pid).net_connections("tcp")]
        return sum(one.status == psutil.CONN_ESTABLISHED for one in found)

    def is_gone(self) -> bool:
        """Nobody listens at its port."""
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) != 0

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
    deadline = time.monotonic() + PATIENCE_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        state = State.read(state_file)
        if state and state.port:
            return RunningServer(process, state, directory / "log")
        time.sleep(0.02)
    process.kill()
    process.wait()
    raise AssertionError((directory / "log").read_text())
