"""The pages in a real browser: signing in, no complaints, a job seen to go on without a reload, stopping it."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import uvicorn
from starlette.applications import Starlette

from tests.pipeline.tuning_home import opened
from tests.reports.browser import Page, browsing, find_chromium
from tintype.jobs.client import Engine
from tintype.jobs.job import Status
from tintype.pipeline.script_jobs import ScriptRequest, script_spec
from tintype.web.pages.routes import page_routes
from tintype.web.pages.session import open_session
from tintype.workspace import Workspace

CHROMIUM = find_chromium()
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium here; on Debian: apt-get install chromium"),
]
SCRIPT = """
import pathlib, sys, time
gate = pathlib.Path(sys.argv[-1])
print("waiting for the gate", flush=True)
while not gate.exists():
    time.sleep(0.05)
print("loss 0.25", flush=True)
time.sleep(600)
"""
SECONDS = 120.0


@pytest.fixture
def running(tmp_path: Path) -> Iterator[tuple[Workspace, Engine]]:
    (tmp_path / "script.py").write_text(SCRIPT)
    with opened(tmp_path / "home") as (workspace, engine):
        request = ScriptRequest(
            str(tmp_path / "script.py"),
            metrics=("loss=loss ([0-9.]+)",),
            hyperparameters={"gate": str(tmp_path / "gate")},
        )
        engine.submit(script_spec(request), "watched")
        yield workspace, engine
        if not workspace.jobs.get("watched").status.is_finished:
            engine.stop("watched")
            engine.wait("watched", timeout=SECONDS)


@pytest.fixture
def address(running: tuple[Workspace, Engine]) -> Iterator[str]:
    workspace, _ = running
    session = open_session(workspace.home / "server" / "pages.token")
    server = uvicorn.Server(
        uvicorn.Config(Starlette(routes=page_routes(workspace, session)), port=0, log_level="warning", ws="none")
    )
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield f"http://127.0.0.1:{port}/ui/sign-in?token={session.token}"
    server.should_exit = True
    thread.join()


@pytest.fixture
def tab(tmp_path: Path) -> Iterator[Page]:
    with browsing(str(CHROMIUM), tmp_path / "profile") as page:
        yield page


def wait_for(tab: Page, expression: str) -> None:
    until = time.monotonic() + SECONDS
    while not tab.evaluate(expression):
        assert time.monotonic() < until, f"not in {SECONDS:g} s: {expression}"
        time.sleep(0.1)


def complaints(tab: Page) -> list[str]:
    """What the page complained of, its own requests aside."""
    return [one for one in tab.complaints if not one.startswith("asked for http://127.0.0.1:")]


def test_a_job_is_seen_to_go_on_and_is_stopped(
    tab: Page, address: str, running: tuple[Workspace, Engine], tmp_path: Path
) -> None:
    _, engine = running
    tab.open(address)
    assert tab.evaluate("location.pathname") == "/ui/"
    assert tab.evaluate("document.body.textContent.includes('watched')")
    tab.open(address.replace("/sign-in", "/jobs/watched"))
    wait_for(tab, "document.getElementById('log').textContent.includes('waiting for the gate')")
    assert tab.evaluate("document.querySelector('#metrics figure') === null")
    (tmp_path / "gate").touch()
    wait_for(tab, "document.querySelector('#metrics figure') !== null")
    wait_for(tab, "document.getElementById('log').textContent.includes('loss 0.25')")
    assert tab.evaluate("document.getElementById('log').textContent.split('waiting for the gate').length") == 2
    tab.evaluate("window.confirm = () => true")
    tab.evaluate("document.querySelector('form[data-ask] button').click()")
    assert engine.wait("watched", timeout=SECONDS).status is Status.STOPPED
    wait_for(tab, "document.getElementById('head')?.textContent.includes('Stopped')")
    assert complaints(tab) == []


def test_the_theme_is_the_visitors(tab: Page, address: str) -> None:
    tab.open(address, dark=True)
    paper = "getComputedStyle(document.body).backgroundColor"
    dark = tab.evaluate(paper)
    tab.evaluate("document.getElementById('theme').click()")
    assert tab.evaluate(paper) != dark
    assert json.dumps(complaints(tab)) == "[]"
