"""The page in a real browser: a picture in, its class and overlay; no complaint, nothing from elsewhere."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.reports.browser import Page, browsing, find_chromium
from tintype.records import Records
from tintype.serving.endpoints.deployment import Deployment
from tintype.serving.endpoints.endpoint import Endpoint
from tintype.serving.endpoints.store import Endpoints
from tintype.serving.settings import ServerSettings

CHROMIUM = find_chromium()
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium here; on Debian: apt-get install chromium"),
]


@pytest.fixture(scope="module")
def endpoint(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoint]:
    folder = tmp_path_factory.mktemp("endpoint")
    records = Records.open(f"sqlite:///{folder / 'records.db'}")
    endpoints = Endpoints(records)
    settings = ServerSettings(inference_threads=1, decoders=1, drain_seconds=2)
    yield endpoints.start(Deployment("colours", archive, folder / "endpoint", server=settings))
    endpoints.delete("colours")
    records.close()


@pytest.fixture
def tab(tmp_path: Path) -> Iterator[Page]:
    with browsing(str(CHROMIUM), tmp_path / "profile") as opened:
        yield opened


def drop(tab: Page, path: Path) -> None:
    root = tab.call("DOM.getDocument")["root"]["nodeId"]
    node = tab.call("DOM.querySelector", nodeId=root, selector="#file")["nodeId"]
    tab.call("DOM.setFileInputFiles", files=[str(path)], nodeId=node)


def until(tab: Page, expression: str) -> None:
    deadline = time.monotonic() + 120
    while not tab.evaluate(expression):
        assert time.monotonic() < deadline, (expression, tab.evaluate("document.body.innerText"), tab.complaints)
        time.sleep(0.05)


def complaints(tab: Page, endpoint: Endpoint) -> list[str]:
    return [one for one in tab.complaints if not one.startswith(f"asked for {endpoint.url}/")]


def test_a_picture_is_classified_and_explained(tab: Page, endpoint: Endpoint, tmp_path: Path, picture) -> None:
    (tmp_path / "red.png").write_bytes(picture(size=(64, 48)))
    tab.open(f"{endpoint.url}/")
    until(tab, "document.querySelector('#panel table') !== null")
    assert tab.evaluate("document.getElementById('heat-controls').hidden")
    drop(tab, tmp_path / "red.png")
    until(tab, "document.querySelectorAll('#classes li').length === 3")
    assert tab.evaluate("document.querySelector('#classes .label').textContent") == "red"
    until(tab, "document.getElementById('method').textContent === 'occlusion, for red'")
    red = "[...document.getElementById('picture').getContext('2d').getImageData(240, 240, 1, 1).data]"
    assert tab.evaluate(red)[0] > 200
    until(tab, "!document.getElementById('phases').hidden")
    assert "decode" in tab.evaluate("document.getElementById('phases').textContent")
    assert "by AllTraffic" in tab.evaluate("document.getElementById('told').textContent")
    until(tab, "document.querySelector('#panel').textContent.includes('red')")
    assert complaints(tab, endpoint) == []


def test_what_is_no_picture_is_said_to_be_none(tab: Page, endpoint: Endpoint, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("not a picture")
    tab.open(f"{endpoint.url}/")
    drop(tab, tmp_path / "notes.txt")
    until(tab, "!document.getElementById('problem').hidden")
    assert "image" in tab.evaluate("document.getElementById('problem').textContent")
    assert tab.evaluate("document.querySelectorAll('#classes li').length") == 0


def test_themes_and_widths(tab: Page, endpoint: Endpoint) -> None:
    paper = "getComputedStyle(document.body).backgroundColor"
    seen = set()
    for dark in (False, True):
        tab.open(f"{endpoint.url}/", dark=dark)
        seen.add(tab.evaluate(paper))
    assert len(seen) == 2
    for width in (360, 768, 1440):
        tab.open(f"{endpoint.url}/", width=width)
        until(tab, "document.querySelector('#panel table') !== null")
        assert tab.evaluate("document.documentElement.scrollWidth") <= width
    assert complaints(tab, endpoint) == []


def test_the_policy_stops_what_got_past_the_escaping(tab: Page, endpoint: Endpoint) -> None:
    tab.open(f"{endpoint.url}/")
    tab.evaluate("document.body.insertAdjacentHTML('beforeend', '<img src=x onerror=\"window.owned = 1\">')")
    tab.evaluate("document.body.append(Object.assign(document.createElement('script'), {textContent: 'owned = 2'}))")
    time.sleep(0.3)
    assert tab.evaluate("window.owned") is None
