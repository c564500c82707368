"""docs/debugger.md has the page of every rule, as the rule's source is now."""

from __future__ import annotations

from pathlib import Path

import pytest

from tintype.rules.catalogue import RULES
from tintype.rules.pages import all_pages, main, page_of, with_pages
from tintype.rules.parameters import describe

DOCUMENT = Path(__file__).parents[2] / "docs" / "debugger.md"


def test_the_document_is_in_step() -> None:
    assert all_pages() in DOCUMENT.read_text(), "run: python -m tintype.rules.pages docs/debugger.md"


@pytest.mark.parametrize("name", RULES)
def test_a_page_says_what_a_person_must_know(name: str) -> None:
    page = page_of(RULES[name])
    for word in ("Fires", "**Needs**", "SageMaker"):
        assert word in page, f"the docstring of {name} has no {word}"
    assert all(f"`{one.name}`" in page for one in describe(RULES[name].PARAMETERS))


def test_writing_changes_only_what_is_between_the_marks(tmp_path: Path) -> None:
    path = tmp_path / "page.md"
    path.write_text("before\n<!-- generated: rules -->\nold\n<!-- end of generated -->\nafter\n")
    assert main([str(path)]) == 0
    text = path.read_text()
    assert text.startswith("before\n")
    assert text.endswith("\nafter\n")
    assert "old\n" not in text
    assert with_pages(text) == text
