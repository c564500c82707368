"""docs/profiler.md has the page of every profiler rule, as the rule's source is now."""

from __future__ import annotations

from pathlib import Path

import pytest

from tintype.rules.parameters import describe
from tintype.rules.profiler_catalogue import PROFILER_RULES
from tintype.rules.profiler_pages import all_pages, main, page_of, with_pages

DOCUMENT = Path(__file__).parents[2] / "docs" / "profiler.md"


def test_the_document_is_in_step() -> None:
    assert all_pages() in DOCUMENT.read_text(), "run: python -m tintype.rules.profiler_pages docs/profiler.md"


@pytest.mark.parametrize("name", PROFILER_RULES)
def test_a_page_says_what_a_person_must_know(name: str) -> None:
    rule = PROFILER_RULES[name]
    page = page_of(rule)
    assert "**Needs**" in page
    assert "Fires" in page or "Never fires" in page
    assert ("**Differs from SageMaker's**" in page) == rule.IS_SAGEMAKERS
    assert all(f"`{one.name}`" in page for one in describe(rule.PARAMETERS))


def test_writing_changes_only_what_is_between_the_marks(tmp_path: Path) -> None:
    path = tmp_path / "page.md"
    path.write_text("before\n<!-- generated: rules -->\nold\n<!-- end of generated -->\nafter\n")
    assert main([str(path)]) == 0
    text = path.read_text()
    assert text.startswith("before\n")
    assert text.endswith("\nafter\n")
    assert "old\n" not in text
    assert with_pages(text) == text
