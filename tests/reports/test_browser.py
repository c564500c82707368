"""The page in a real browser: no complaints, everything in its place, sorting and the theme work."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.reports.browser import Page, browsing, find_chromium
from tintype.reports.evidence import RunEvidence
from tintype.reports.gathering import gather
from tintype.reports.page import SECTIONS, write_report

CHROMIUM = find_chromium()
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium here; on Debian: apt-get install chromium"),
]

Stage = Callable[..., RunEvidence]


@pytest.fixture
def tab(tmp_path: Path) -> Iterator[Page]:
    with browsing(str(CHROMIUM), tmp_path / "profile") as opened:
        yield opened


@pytest.fixture
def url(stage: Stage, tmp_path: Path) -> str:
    evidence = stage(classes=("ants", "bees", "<b>wasps</b>"), trials=12, accuracy=0.5)
    return write_report(gather(evidence), tmp_path / "report.html").as_uri()


def test_it_loads_without_a_complaint_and_asks_for_nothing(tab: Page, url: str) -> None:
    tab.open(url)
    assert tab.complaints == []
    for id, _ in SECTIONS:
        assert tab.evaluate(f"document.getElementById({id!r}).getBoundingClientRect().height") > 40
    assert tab.evaluate("[...document.images].every(image => image.complete && image.naturalWidth > 0)")
    assert tab.evaluate("performance.getEntriesByType('resource').every(one => one.name.startsWith('data:'))")


def test_tables_are_sorted_by_their_heads(tab: Page, url: str) -> None:
    tab.open(url)
    rows = "[...document.querySelectorAll('#tuning table.sortable tbody tr')]"
    column = f"{rows}.map(row => parseFloat(row.cells[0].textContent))"
    head = "document.querySelector('#tuning th button')"
    assert tab.evaluate(f"{head}.click(), {column}") == list(range(12, 0, -1))
    assert tab.evaluate(f"{head}.click(), {column}") == list(range(1, 13))
    assert tab.evaluate(f"{head}.parentElement.ariaSort") == "ascending"
    values = f"{rows}.map(row => row.cells[1].textContent)"
    tab.evaluate("document.querySelectorAll('#tuning th button')[1].click()")
    assert tab.evaluate(values)[-1] == "–"                  # the failed trial, which has no value
    assert tab.complaints == []


def test_themes(tab: Page, url: str) -> None:
    paper = "getComputedStyle(document.body).backgroundColor"
    tab.open(url)
    light = tab.evaluate(paper)
    tab.open(url, dark=True)
    dark = tab.evaluate(paper)
    assert light != dark
    assert tab.evaluate(f"document.getElementById('theme').click(), {paper}") == light
    tab.open(f"{url}?theme=dark")
    assert tab.evaluate(paper) == dark
    assert tab.complaints == []


@pytest.mark.parametrize("width", [360, 768, 1440])
def test_it_fits_every_width(tab: Page, url: str, width: int) -> None:
    tab.open(url, width=width)
    assert tab.evaluate("document.documentElement.scrollWidth") <= width


def test_pointing_at_a_trial_says_what_it_is(tab: Page, url: str) -> None:
    tab.open(url)
    tab.evaluate(
        "document.querySelector('circle.trial').dispatchEvent(new PointerEvent('pointerover', {bubbles: true}))"
    )
    assert tab.evaluate("document.querySelector('.tip').textContent").startswith("trial ")
    assert tab.evaluate("document.querySelectorAll('.lit').length") >= 4        # in three figures and the table
    assert tab.complaints == []


def test_it_is_whole_without_javascript(tab: Page, url: str) -> None:
    tab.call("Emulation.setScriptExecutionDisabled", value=True)
    tab.open(url)
    assert tab.evaluate("document.querySelectorAll('svg.fig').length") >= 7
    assert tab.evaluate("document.querySelectorAll('th button').length") == 0
    assert tab.evaluate("document.getElementById('theme').offsetParent") is None
    assert tab.complaints == []


def test_it_prints(tab: Page, url: str, tmp_path: Path) -> None:
    tab.open(url, dark=True)
    tab.pdf(tmp_path / "report.pdf")
    content = (tmp_path / "report.pdf").read_bytes()
    assert content.startswith(b"%PDF")
    assert 2 <= content.count(b"/Type /Page\n") + content.count(b"/Type /Page/") + content.count(b"/Type /Page ") <= 30
