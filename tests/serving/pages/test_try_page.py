"""The page of an endpoint without a browser: what it shows, to whom, and under which policy."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from starlette.testclient import TestClient

from tests.serving.stand_in import Stable, asked
from tintype.serving.endpoints.config import ModelSource
from tintype.serving.front.server import create_app
from tintype.serving.front.service import Service
from tintype.serving.pages.try_page import TryPage
from tintype.serving.pages.wording import age, percent, seconds
from tintype.serving.settings import ServerSettings
from tintype.serving.variants.live_endpoint import LiveEndpoint
from tintype.serving.variants.router import Route
from tintype.serving.watching.capture import CaptureCounts
from tintype.serving.watching.endpoint_metrics import EndpointMetrics
from tintype.serving.watching.metrics import Metrics

HOSTILE = "<script>alert(1)</script>"


def live_with(requests: int, label: str = HOSTILE) -> LiveEndpoint:
    live = LiveEndpoint()

    async def fill() -> None:
        old = await Stable().start("v", ModelSource(archive="ant"), 1)
        new = await Stable().start("v", ModelSource(archive=label), 2)
        live.routes = (Route("v", 0.9, old), Route("v", 0.1, new))
        live.trial = frozenset({new})
        for number in range(requests):
            await live.invoke(asked(number))

    asyncio.run(fill())
    return live


def client_of(live: LiveEndpoint, token: str | None = None, host: str = "127.0.0.1:8080") -> TestClient:
    service = Service(live, ServerSettings(), token)
    service.metrics.registry.register(EndpointMetrics(live))
    app = create_app(service, routes=TryPage("my <endpoint>", live).routes)
    return TestClient(app, base_url=f"http://{host}")


@pytest.fixture
def client() -> Iterator[TestClient]:
    with client_of(live_with(60)) as opened:
        yield opened


def test_the_page_is_strict_and_loads_nothing_from_elsewhere(client: TestClient) -> None:
    answer = client.get("/")
    assert answer.status_code == 200
    policy = dict(part.strip().split(" ", 1) for part in answer.headers["content-security-policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == "'self'"
    assert policy["frame-ancestors"] == policy["base-uri"] == policy["form-action"] == "'none'"
    assert "my &lt;endpoint&gt;" in answer.text
    assert "<script>" not in answer.text                     # only with a source
    assert "style=" not in answer.text
    for name, kind in (("page.css", "text/css"), ("page.js", "text/javascript")):
        assert client.get(f"/try/{name}").headers["content-type"].startswith(kind)
    missing = client.get("/try/page.html")
    assert (missing.status_code, missing.json()["error"]["type"]) == (404, "NotFound")
    assert client.get("/try/..%2ftry_page.py").status_code == 404


def test_the_panel_escapes_what_models_say(client: TestClient) -> None:
    panel = client.get("/try/panel").text
    assert "<script" not in panel
    assert "&lt;script&gt;alert(1)" in panel
    assert "new, on trial" in panel
    assert "learning what is usual" in panel
    facts = client.get("/try/facts").json()
    assert facts["name"] == "my <endpoint>"
    assert [round(one["share"], 2) for one in facts["variants"]] == [0.9, 0.1]
    assert len(facts["recent"]) == 50


def test_a_drift_is_warned_of() -> None:
    live = live_with(0)
    running = live.routes[0].to
    for number in range(200):
        running.drift.watched["prediction"].see("ab"[number % 2])
    for _ in range(200):
        running.drift.watched["prediction"].see("b")
    with client_of(live) as client:
        panel = client.get("/try/panel").text
        assert "The predictions have changed" in panel
        assert "against the first 200 pictures" in panel
        assert "tintype_drift{of=\"prediction\",variant=\"v\"} 1.0" in client.get("/metrics").text


def test_an_empty_endpoint_has_a_panel_too() -> None:
    with client_of(LiveEndpoint()) as client:
        assert "None yet" in client.get("/try/panel").text
        assert client.get("/try/facts").json()["variants"] == []
        assert client.post("/try/explain", content=b"x").status_code == 429


def test_capture_is_told() -> None:
    class Told:
        counts = CaptureCounts(written=7, dropped=2, failure="No space left on device")

    live: Any = live_with(0)
    live.capture = Told()
    with client_of(live) as client:
        told = "Captured: 7 requests, 2 dropped; last failure: No space left on device"
        assert told in client.get("/try/panel").text
        assert 'tintype_capture_records_total{what="dropped"} 2.0' in client.get("/metrics").text


GUARDED = [("GET", "/try/panel"), ("GET", "/try/facts"), ("POST", "/try/explain")]


@pytest.mark.parametrize(("method", "path"), GUARDED)
def test_other_sites_pages_are_refused(client: TestClient, method: str, path: str) -> None:
    for headers in (
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Host": "evil.example"},                            # its name points here: DNS rebinding
        {"Host": "127.0.0.1.evil.example:8080"},
        {"Host": "[evil"},                                   # no address
        {"Origin": "http://[evil"},
    ):
        answer = client.request(method, path, headers=headers)
        assert answer.status_code == 401, headers
        assert "v" not in answer.json()
    assert client.request(method, path, headers={"Origin": "http://127.0.0.1:8080"}).status_code != 401
    assert client.request(method, path, headers={"Host": "localhost:1", "Sec-Fetch-Site": "none"}).status_code != 401


@pytest.mark.parametrize(("method", "path"), GUARDED)
def test_a_token_is_asked_for(method: str, path: str) -> None:
    with client_of(live_with(1), token="s3cret", host="models.example") as client:
        assert client.request(method, path).status_code == 401
        assert client.request(method, path, headers={"Authorization": "Bearer wrong"}).status_code == 401
        right = {"Authorization": "Bearer s3cret"}
        assert client.request(method, path, headers=right).status_code != 401
        assert client.request(method, path, headers={**right, "Origin": "https://evil.example"}).status_code == 401
        page = client.get("/").text                          # the page itself gives nothing away
        assert "needs its token" in page
        assert "ant" not in page.replace("Nothing", "").replace("variant", "")


def test_a_script_s_model_cannot_be_explained(client: TestClient) -> None:
    answer = client.post("/try/explain", content=b"x")
    assert answer.status_code == 415
    assert "only archives of our own" in answer.json()["error"]["message"]


def test_metrics_tell_variants_apart() -> None:
    live = live_with(100)
    metrics = Metrics()
    live.routes[1].to.label = "v-2"
    metrics.registry.register(EndpointMetrics(live))
    text = metrics.text().decode()
    assert 'tintype_variant_requests_total{variant="v"} 9' in text
    assert 'tintype_variant_share{variant="v-2"} 0.0999' in text or 'variant="v-2"} 0.1' in text


def test_wording() -> None:
    assert [percent(one) for one in (0, 0.004, 0.5, 1)] == ["0 %", "0.4 %", "50 %", "100 %"]
    assert [seconds(one) for one in (0, 0.0042, 0.123, 2.5)] == ["0.0 ms", "4.2 ms", "123 ms", "2.5 s"]
    assert [age(1000 - one, now=1000) for one in (-5, 3, 61, 7200, 200000)] == [
        "0 s ago", "3 s ago", "1 min ago", "2 h ago", "2 d ago",
    ]  # fmt: skip
