from __future__ import annotations

from pathlib import Path

import pytest

from tests.jobs.test_requirements import code
from tintype.errors import NotFound
from tintype.jobs.requirement_lines import is_met, is_portable, requirement_lines


@pytest.mark.parametrize(
    ("line", "met"),
    [
        ("numpy", True),
        ("NumPy>=1.0", True),
        ("numpy==0.0.1", False),
        ("nosuchthing", False),
        ("nosuchthing; python_version < '3'", True),
        ("pydantic[email]", None),
        ("fsspec[nosuchextra]", True),
        ("-e .", False),
        ("./lib", False),
        ("thing @ https://example.invalid/thing.whl", False),
    ],
)
def test_what_is_met(line: str, met: bool | None) -> None:
    assert is_met(line) in ({True, False} if met is None else {met})


def test_lines_with_comments_continuations_and_includes(tmp_path: Path) -> None:
    text = "\ufeff# why\ntqdm==4 \\\n  ; python_version > '3'  # bar\n\n-r more/extra.txt\n--no-index\n"
    folder = code(tmp_path, text)
    (folder / "more").mkdir()
    (folder / "more" / "extra.txt").write_text("requests\n")
    lines = list(requirement_lines(folder / "requirements.txt"))
    assert [line.split(" ")[0] for line in lines] == ["tqdm==4", "requests", "--no-index"]
    (folder / "more" / "extra.txt").write_text("-r extra.txt\n")
    with pytest.raises(NotFound, match=r"extra\.txt"):
        list(requirement_lines(folder / "requirements.txt"))


@pytest.mark.parametrize(
    ("line", "portable"),
    [("tqdm==4", True), ("--no-index", True), ("-e .", False), ("./lib", False), ("-f wheels", True)],
)
def test_what_means_the_same_everywhere(line: str, portable: bool) -> None:
    assert is_portable(line) is portable
