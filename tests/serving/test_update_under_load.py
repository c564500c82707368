"""Updates while callers ask without pause: not one request fails, neither when they succeed nor when they go back."""

from __future__ import annotations

import os
import signal
import tarfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import psutil
import pytest

from tests.serving.running_server import PATIENCE_SECONDS
from tests.serving.tiny_archive import write_tiny_archive
from tintype.serving.endpoints.config import EndpointConfig, ModelSource, ProductionVariant
from tintype.serving.endpoints.deployment import Deployment
from tintype.serving.endpoints.endpoint import Endpoint, Status
from tintype.serving.endpoints.store import Endpoints
from tintype.serving.settings import ServerSettings
from tintype.serving.updates.rollout import DeploymentPolicy, Shift
from tintype.serving.variants.scaling import Scaling

CALLERS = 4
SCRIPT = """
def model_fn(directory):
    return "model"

def input_fn(body, content_type):
    return body

def predict_fn(data, model):
    {predict}

def output_fn(prediction, accept):
    return '{{"predictions": [{{"label": "slow"}}]}}'
"""
FAILING = SCRIPT.format(predict='raise RuntimeError("this model was never right")')
SLOW = SCRIPT.format(predict='__import__("time").sleep(0.25)')


@pytest.fixture
def started(endpoints: Endpoints, archive: Path, tmp_path: Path) -> Endpoint:
    settings = ServerSettings(inference_threads=1, decoders=1, drain_seconds=5)
    return endpoints.start(Deployment("ants", archive, tmp_path / "endpoints" / "ants", server=settings))


@contextmanager
def load(url: str, picture: bytes) -> Iterator[Counter[tuple[int, str]]]:
    """Callers that ask all the time; (status, label) counted."""
    said: Counter[tuple[int, str]] = Counter()
    lock, stop = threading.Lock(), threading.Event()

    def ask() -> None:
        with httpx.Client(base_url=url, trust_env=False, timeout=PATIENCE_SECONDS) as client:
            while not stop.is_set():
                answer = client.post("/invocations", content=picture)
                label = answer.json()["predictions"][0]["label"] if answer.status_code == 200 else answer.text
                with lock:
                    said[answer.status_code, label] += 1

    callers = [threading.Thread(target=ask) for _ in range(CALLERS)]
    for one in callers:
        one.start()
    try:
        yield said
    finally:
        stop.set()
        for one in callers:
            one.join(PATIENCE_SECONDS)


def of(archive: Path, **policy: object) -> EndpointConfig:
    defaults = {"shift": Shift.CANARY, "step_percent": 20, "step_seconds": 1.5, "bake_seconds": 1.5}
    return EndpointConfig(
        variants=(ProductionVariant(model=ModelSource(archive=str(archive))),),
        policy=DeploymentPolicy.model_validate({**defaults, **policy}),
    )


def test_an_update_loses_no_request(endpoints: Endpoints, started: Endpoint, tmp_path: Path, picture) -> None:
    new = write_tiny_archive(tmp_path / "new.tar.gz", classes=("rot", "grün", "blau"))
    seen: set[Status] = set()
    with load(started.url or "", picture()) as said:
        endpoints.update("ants", of(new, most_slowdown=1000))      # whoever else uses the machine is no reason
        while (found := endpoints.get("ants")).status is not Status.IN_SERVICE:
            seen.add(found.status)
            time.sleep(0.02)
        answered(said, "rot", 20)
    assert seen == {Status.UPDATING}
    assert {status for status, _ in said} == {200}
    assert said.keys() == {(200, "red"), (200, "rot")}
    assert found.failure_reason == ""
    assert "AllTraffic-2" in httpx.get(f"{started.url}/metrics", trust_env=False, timeout=PATIENCE_SECONDS).text


@pytest.mark.parametrize("how", ["it fails", "it is slow", "it does not start"])
def test_a_bad_update_loses_no_request_either(
    endpoints: Endpoints, started: Endpoint, tmp_path: Path, picture, how: str
) -> None:
    bad = tmp_path / "bad.tar.gz"
    match how:
        case "it fails" | "it is slow":
            (tmp_path / "inference.py").write_text(FAILING if how == "it fails" else SLOW)
            with tarfile.open(bad, "w:gz") as packed:
                packed.add(tmp_path / "inference.py", "code/inference.py")
        case _:
            write_tiny_archive(bad, classes=("too", "many", "classes", "here"))
    with load(started.url or "", picture()) as said:
        answered(said, "red", 20)
        endpoints.update("ants", of(bad, step_percent=50, step_seconds=60, fewest_requests=10))
        until(lambda: endpoints.get("ants").status is Status.IN_SERVICE)
        answered(said, "red", 20)
    found = endpoints.get("ants")
    assert {status for status, _ in said} == {200}
    assert found.failure_reason.startswith("the last update was rolled back: ")
    failed = "requests failed"                              # the slow one too, where it took over a second
    reasons = {"it fails": (failed,), "it is slow": ("99 % of requests", failed), "it does not start": ("finite",)}
    assert any(words in found.failure_reason for words in reasons[how])
    assert found.variants == started.variants
    endpoints.scale("ants", {"AllTraffic": 2})              # what was given up is not tried again by this
    assert endpoints.wait("ants").failure_reason == ""
    facts = httpx.get(f"{started.url}/try/facts", trust_env=False, timeout=PATIENCE_SECONDS).json()["variants"]
    assert [(one["label"], one["workers"]) for one in facts] == [("AllTraffic", 2)]


def test_a_front_that_is_killed_in_an_update_finishes_it(endpoints, started, tmp_path: Path, picture) -> None:
    new = write_tiny_archive(tmp_path / "new.tar.gz", classes=("rot", "grün", "blau"))
    endpoints.update("ants", of(new, step_seconds=3))
    wishes = started.files.wishes
    while wishes.observed().stage != "Shifting":
        time.sleep(0.02)
    front = next(one for one in psutil_children(started) if "serving.front.process" in " ".join(one.cmdline()))
    os.kill(front.pid, signal.SIGKILL)
    assert endpoints.wait("ants").status is Status.IN_SERVICE
    answer = httpx.post(f"{started.url}/invocations", content=picture(), trust_env=False, timeout=PATIENCE_SECONDS)
    assert answer.json()["predictions"][0]["label"] == "rot"


def test_deleted_in_an_update_nothing_is_left(endpoints, started, tmp_path: Path) -> None:
    new = write_tiny_archive(tmp_path / "new.tar.gz", classes=("rot", "grün", "blau"))
    endpoints.update("ants", of(new, step_seconds=60))
    while started.files.wishes.observed().stage != "Shifting":
        time.sleep(0.02)
    processes = psutil_children(started)
    assert len(processes) > 4                       # front, fork server, decoders and workers of both
    assert endpoints.get("ants").status is Status.UPDATING
    assert endpoints.delete("ants")
    assert not [one for one in processes if one.is_running() and one.status() != psutil.STATUS_ZOMBIE]
    assert not Path(started.directory).exists()


def test_workers_follow_real_load(endpoints, archive: Path, tmp_path: Path, picture) -> None:
    slow = write_tiny_archive(tmp_path / "slow.tar.gz", repeats=20)
    scaling = Scaling(fewest=1, most=3, target=1.0, out_seconds=0.5, in_seconds=1.0)
    config = EndpointConfig(variants=(ProductionVariant(model=ModelSource(archive=str(slow)), scaling=scaling),))
    settings = ServerSettings(inference_threads=1, decoders=1, drain_seconds=5)
    started = endpoints.start(Deployment("ants", None, tmp_path / "endpoint", server=settings, config=config))

    def workers() -> int:
        answer = httpx.get(f"{started.url}/try/facts", trust_env=False, timeout=PATIENCE_SECONDS)
        return answer.json()["variants"][0]["workers"]

    assert workers() == 1
    with load(started.url or "", picture()) as said:
        until(lambda: workers() == 3)
    until(lambda: workers() == 1)
    assert {status for status, _ in said} == {200}


def answered(said: Counter[tuple[int, str]], label: str, count: int) -> None:
    """Wait until so many more were answered with that label."""
    wanted = said[200, label] + count
    until(lambda: said[200, label] >= wanted)


def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def psutil_children(endpoint: Endpoint):
    assert endpoint.server
    process = endpoint.server.find()
    assert process
    return process.children(recursive=True)
