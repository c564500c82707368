from __future__ import annotations

from pathlib import Path

import pytest

from tests.reports.browser import find_chromium
from tintype.errors import Unsupported
from tintype.reports import pdf
from tintype.reports.pdf import write_pdf


@pytest.mark.browser
@pytest.mark.skipif(find_chromium() is None, reason="there is no Chromium here; on Debian: apt-get install chromium")
def test_a_page_is_printed(tmp_path: Path) -> None:
    page = tmp_path / "a page.html"
    page.write_text("<!doctype html><meta charset=utf-8><h1>Tintype</h1>" + "<p>line</p>" * 200)
    content = write_pdf(page, tmp_path / "out" / "report.pdf").read_bytes()
    assert content.startswith(b"%PDF-")
    assert content.count(b"/Type /Page\n") + content.count(b"/Type /Page ") + content.count(b"/Type/Page") > 1


def test_without_a_browser_it_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pdf, "BROWSERS", ("no-such-browser",))
    with pytest.raises(Unsupported, match="apt-get install chromium"):
        write_pdf(tmp_path / "page.html", tmp_path / "page.pdf")
    assert not (tmp_path / "page.pdf").exists()
