"""A server on a free port with a home of its own, and the environment of a shell that points at it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.examples.sdk_environment import Unavailable, activated, environment
from tests.jobs.example_jobs import write_weights

NETWORKS = ("resnet18", "efficientnet_b0")
STOP_SECONDS = 30


@dataclass(frozen=True)
class Shell:
    """Runs things in the SDK's environment, with the exports of `tintype env`."""

    sdk: Path
    home: Path
    variables: dict[str, str]
    told: frozenset[str]                        # the variables that `tintype env` sets

    def run(
        self, *words: str | Path, folder: Path, seconds: float = 400, **more: str
    ) -> subprocess.CompletedProcess[str]:
        """A command, in `folder`. What it prints on both streams is in `stdout`."""
        return subprocess.run(
            [str(word) for word in words], cwd=folder, env={**self.variables, **more}, timeout=seconds, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
        )  # fmt: skip


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


@pytest.fixture(scope="module")
def shell(sdk: Path, torch_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    """A running server, and a shell after `eval "$(tintype env)"`."""
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
