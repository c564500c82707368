"""Filter patterns, as CloudWatch's documentation gives them."""

from __future__ import annotations

import pytest

from tintype.errors import InvalidRequest
from tintype.web.api.filter_pattern import parse_pattern

LINE = "ERROR: CUDA out of memory (exit 1)"


@pytest.mark.parametrize(
    ("pattern", "matches"),
    [
        ("", True),
        ("ERROR", True),
        ("error", False),
        ("ERROR memory", True),
        ("ERROR WARN", False),
        ("?ERROR ?WARN", True),
        ("?FATAL ?WARN", False),
        ("ERROR -CUDA", False),
        ("ERROR -disk", True),
        ('"out of memory"', True),
        ('"memory of"', False),
        ("%exit [0-9]+%", True),
        ('"(exit 1)" ?CUDA', True),
    ],
)
def test_what_matches(pattern: str, matches: bool) -> None:
    assert parse_pattern(pattern)(LINE) is matches


@pytest.mark.parametrize("pattern", ["{ $.level = 1 }", "[ip, user]", "%[0-9%", '"no end'])
def test_what_cannot_be_read(pattern: str) -> None:
    with pytest.raises(InvalidRequest):
        parse_pattern(pattern)
