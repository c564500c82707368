"""A server on a free port with a home of its own, and the environment of a shell that points at it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.examples.postmortem import postmortem
from tests.examples.sdk_environment import Unavailable, activated, environment
from tests.jobs.example_jobs import write_weights

NETWORKS = ("resnet18", "efficientnet_b0")
STOP_SECONDS = 120                  # the server waits for endpoints that are being deleted, and they for their requests
TOLD_CHARACTERS = 6000
RUN_SECONDS = 900                   # others may use the machine too


@dataclass(frozen=True)
class Shell:
    """Runs things in the SDK's environment, with the exports of `tintype env`."""

    sdk: Path
    home: Path
    variables: dict[str, str]
    told: frozenset[str]                        # the variables that `tintype env` sets

    def run(self, *words: str | Path, folder: Path, notebook: Path | None = None, **more: str) -> None:
        """A command, in `folder`. When it fails, the test does, with all that may say why.

        `notebook` is the one that it executes, as it leaves it.
        """
        code: int | str
        with tempfile.TemporaryFile("w+") as said:
            try:
                code = subprocess.run(
                    [str(word) for word in words], cwd=folder, env={**self.variables, **more}, timeout=RUN_SECONDS,
                    stdout=said, stderr=said, check=False,
                ).returncode  # fmt: skip
            except subprocess.TimeoutExpired as error:
                code = str(error)
            said.seek(0)
            assert code == 0, f"{code}\n{said.read()[-TOLD_CHARACTERS:]}\n{postmortem(self.home, notebook)}"


@pytest.fixture(scope="session")
def sdk() -> Path:
    """The folder of the SDK's environment; the test is skipped, with the reason, where it cannot be made."""
    try:
        return environment()
    except Unavailable as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def torch_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Published weights, by their names; what is in them is random."""
    return write_weights(tmp_path_factory.mktemp("torch"), NETWORKS)


@pytest.fixture
def shell(sdk: Path, torch_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    """A running server, and a shell after `eval "$(tintype env)"`.

    Everybody has one of his own: the SDK names a tuning job after the image and the minute, so that of two that are
    begun in one minute the second is refused, on AWS too.
    """
    home = tmp_path_factory.mktemp("home")
    tintype = [sys.executable, "-m", "tintype"]
    environ = {**os.environ, "TINTYPE_HOME": str(home), "TORCH_HOME": str(torch_home)}
    with (home / "server.log").open("w") as log, subprocess.Popen(
        [*tintype, "server", "--port", "0", "--json"], env=environ, stdout=subprocess.PIPE, stderr=log, text=True
    ) as server:
        assert server.stdout is not None
        try:
            if not server.stdout.readline():
                pytest.fail(f"the server did not start: {(home / 'server.log').read_text()[-2000:]}")
            told = subprocess.run([*tintype, "env", "--json"], env=environ, capture_output=True, text=True, check=True)
            found = json.loads(told.stdout)
            kept = {name: value for name, value in activated(sdk, {}).items() if name not in found["unset"]}
            yield Shell(sdk, home, {**kept, **found["variables"]}, frozenset(found["variables"]))
        finally:
            server.terminate()
            try:
                server.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                server.kill()                           # else leaving `with` would wait for it for ever
                raise
