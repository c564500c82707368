from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tintype.reports.wording import counted, display, listed, moment, number, percent, quantity, seconds, size


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0, "0"), (1, "1"), (1234567, "1,234,567"), (0.5, "0.5"), (0.0131, "0.0131"), (0.30000000000000004, "0.3"),
        (1e-7, "10⁻⁷"), (2.5e-6, "2.5×10⁻⁶"), (3e9, "3×10⁹"), (-0.25, "-0.25"), (math.nan, "–"), (None, "–"),
    ],
)  # fmt: skip
def test_numbers_are_short(value: float | None, expected: str) -> None:
    assert number(value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0.0, "0 s"), (0.0002, "< 1 ms"), (0.042, "42 ms"), (0.82, "0.8 s"), (13.4, "13 s"), (59.7, "1 min 0 s"),
        (192, "3 min 12 s"), (7500, "2 h 5 min"), (math.inf, "–"), (None, "–"),
    ],
)  # fmt: skip
def test_durations(value: float | None, expected: str) -> None:
    assert seconds(value) == expected


def test_words() -> None:
    assert percent(0.9412) == "94.1%"
    assert percent(math.nan) == percent(None) == "–"
    assert [counted(n, "class") for n in (0, 1, 2)] == ["0 classes", "1 class", "2 classes"]
    assert counted(1200, "image") == "1,200 images"
    assert [size(n) for n in (0, 999, 1500, 109_471, 3e12)] == ["0 bytes", "999 bytes", "1.5 kB", "109 kB", "3000 GB"]
    assert moment(1_795_248_720.0) == "21 November 2026, 08:12 UTC"
    assert [listed(list("abc")[:n]) for n in range(4)] == ["", "a", "a and b", "a, b and c"]


@pytest.mark.parametrize(
    ("value", "expected"),
    [(64, "64"), (0.01, "0.01"), ("adamw", "adamw"), (True, "True"), (None, "–"), (["a"], "['a']")],
)
def test_hyperparameters_of_any_type_are_text(value: object, expected: str) -> None:
    assert quantity(value) == expected


def test_long_names_lose_their_middle() -> None:
    shown = display("a" * 300 + "z" * 300, limit=30)
    assert len(shown) == 30
    assert shown.startswith("aaa")
    assert shown.endswith("zzz")
    assert "…" in shown


@given(st.text(alphabet=st.characters(), max_size=300), st.integers(4, 120))
def test_any_name_becomes_one_showable_line(name: str, limit: int) -> None:
    shown = display(name, limit)
    assert len(shown) <= limit
    assert not any(mark in shown for mark in "\n\r\t\0\u202e\u2066\ud800")
    shown.encode()


@given(st.floats(allow_nan=True, allow_infinity=True))
def test_any_number_can_be_written(value: float) -> None:
    assert number(value)
    assert seconds(value)
    assert percent(value)
