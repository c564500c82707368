"""Far more requests than an endpoint can answer: those inside are in time, the others know at once, and it passes."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests.serving.scripts.test_script_path import archive_of
from tintype.serving.endpoints.deployment import Deployment
from tintype.serving.endpoints.store import Endpoints
from tintype.serving.settings import ServerSettings

SCRIPT = """
import time
def model_fn(model_dir):
    return None
def transform_fn(model, body, content_type, accept):
    time.sleep(0.05)
    return "[1]"
"""
RATE = 20                   # answers a second, then
CALLERS, PAUSE_SECONDS, OVERLOAD_SECONDS = 16, 0.02, 4.0
PATIENCE_SECONDS = 15.0     # 30 times what those inside take, as others may use the machine too
CAPACITY = 10
BODY = bytes(150_000)


@dataclass(frozen=True)
class Seen:
    status: int
    seconds: float


def flood(url: str, seconds: float) -> list[Seen]:
    """Callers that come again soon when they are refused, and at once when they are not."""
    seen: list[Seen] = []
    stop = threading.Event()

    def ask() -> None:
        with httpx.Client(base_url=url, trust_env=False, timeout=120) as http:
            while not stop.is_set():
                one = asked(http)
                seen.append(one)
                if one.status == httpx.codes.TOO_MANY_REQUESTS:
                    stop.wait(PAUSE_SECONDS)

    callers = [threading.Thread(target=ask) for _ in range(CALLERS)]
    for one in callers:
        one.start()
    stop.wait(seconds)
    stop.set()
    for one in callers:
        one.join()
    return seen


def asked(http: httpx.Client) -> Seen:
    began = time.perf_counter()
    answer = http.post("/invocations", content=BODY, headers={"X-Timeout-Seconds": f"{PATIENCE_SECONDS}"})
    return Seen(answer.status_code, time.perf_counter() - began)


def percentile(seconds: list[float], share: float) -> float:
    return sorted(seconds)[int(len(seconds) * share / 100)]


def test_an_overload_is_refused_at_once_and_passes(endpoints: Endpoints, tmp_path: Path) -> None:
    settings = ServerSettings(queue_capacity=CAPACITY, drain_seconds=5)
    archive = archive_of(tmp_path / "model", SCRIPT)
    started = endpoints.start(Deployment("busy", archive, tmp_path / "endpoints" / "busy", server=settings))
    seen = flood(started.url or "", OVERLOAD_SECONDS)
    with httpx.Client(base_url=started.url or "", trust_env=False, timeout=120) as http:
        after = asked(http)
    answered = [one.seconds for one in seen if one.status == httpx.codes.OK]
    refused = [one.seconds for one in seen if one.status == httpx.codes.TOO_MANY_REQUESTS]
    assert len(answered) + len(refused) == len(seen)
    assert len(refused) > len(answered)
    assert len(answered) > RATE * OVERLOAD_SECONDS / 8          # the refusals leave it time for its work
    assert max(answered) < PATIENCE_SECONDS
    assert percentile(refused, 50) < percentile(answered, 50)
    assert after.status == httpx.codes.OK


def test_who_has_no_time_to_wait_is_told_so_instead_of_waiting(endpoints: Endpoints, tmp_path: Path) -> None:
    settings = ServerSettings(queue_capacity=100, drain_seconds=5)
    archive = archive_of(tmp_path / "model", SCRIPT)
    started = endpoints.start(Deployment("slow", archive, tmp_path / "endpoints" / "slow", server=settings))
    done = threading.Event()

    def fill() -> None:
        with httpx.Client(base_url=started.url or "", trust_env=False, timeout=120) as http:
            while not done.is_set():
                assert http.post("/invocations", content=b"x").status_code == httpx.codes.OK

    callers = [threading.Thread(target=fill) for _ in range(30)]
    for one in callers:
        one.start()
    try:
        with httpx.Client(base_url=started.url or "", trust_env=False, timeout=120) as http:
            refused = until(lambda: http.post("/invocations", content=b"x", headers={"X-Timeout-Seconds": "0.3"}), 429)
            assert "and it has 0.3 s" in refused.json()["error"]["message"]
            assert http.post("/invocations", content=b"x", headers={"X-Timeout-Seconds": "50"}).status_code == 200
    finally:
        done.set()
        for one in callers:
            one.join()


def until(ask: Callable[[], httpx.Response], status: int) -> httpx.Response:
    deadline = time.monotonic() + 120
    while (answer := ask()).status_code != status:
        assert answer.status_code in (httpx.codes.OK, httpx.codes.GATEWAY_TIMEOUT)
        assert time.monotonic() < deadline
    return answer
