"""A home in which something has happened, and a browser's view of its pages."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from tests.jobs.running_engine import SECONDS
from tests.pipeline.tuning_home import opened, plan
from tintype.jobs.job import Job, Status
from tintype.pipeline import coordination
from tintype.pipeline.script_jobs import ScriptRequest, script_spec
from tintype.pipeline.watching import Silent
from tintype.web.pages.routes import page_routes
from tintype.web.pages.session import open_session
from tintype.workspace import Workspace

SCRIPT = """
import os, sys
for step in range(5):
    print(f"train loss {1 / (step + 1):.4f} valid loss {1.5 / (step + 1):.4f}", flush=True)
print("<script>alert(1)</script>")
open(os.path.join(os.environ["SM_MODEL_DIR"], "weights.txt"), "w").write("w")
"""


@pytest.fixture(scope="module")
def happened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    """A finished job, one that failed, and a tuning job of two trials."""
    base = tmp_path_factory.mktemp("pages")
    (base / "good.py").write_text(SCRIPT)
    (base / "bad.py").write_text("raise ValueError('no such breed: <b>poodle</b>')\n")
    metrics = ("train:loss=train loss ([0-9.]+)", "valid:loss=valid loss ([0-9.]+)")
    with opened(base / "home") as (workspace, engine):
        for name in ("good", "bad"):
            request = ScriptRequest(str(base / f"{name}.py"), metrics=metrics, hyperparameters={"lr": "0.1"})
            engine.submit(script_spec(request), name)
        for name in ("good", "bad"):
            engine.wait(name, timeout=SECONDS)
        coordination.begin(workspace, plan(workspace, max_jobs=2)).follow(Silent())
        yield workspace


@pytest.fixture
def anybody(happened: Workspace) -> TestClient:
    """A browser that has not signed in."""
    session = open_session(Path(happened.home, "server", "pages.token"))
    return TestClient(
        Starlette(routes=page_routes(happened, session)), base_url="http://127.0.0.1:8400", follow_redirects=False
    )


@pytest.fixture
def owner(happened: Workspace, anybody: TestClient) -> TestClient:
    """A browser that has followed the link."""
    token = open_session(Path(happened.home, "server", "pages.token")).token
    answer = anybody.get("/ui/sign-in", params={"token": token})
    assert answer.status_code == 303
    assert answer.headers["location"] == "/ui/"
    return anybody


def waiting(workspace: Workspace, name: str) -> Job:
    """A job that nobody begins, because it is put into the store behind the engine's back."""
    spec = workspace.jobs.get("good").spec
    job = Job(name, str(workspace.job_directory(name)), spec=spec)
    assert job.status is Status.IN_PROGRESS
    return workspace.jobs.submit(job)
