from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tintype.reports.figures.scales import Bands, Linear, Logarithmic, around

sizes = st.floats(-1e6, 1e6).map(lambda value: round(value, 6))


def labels(scale: Linear | Logarithmic | Bands) -> list[str]:
    return [tick.label for tick in scale.ticks()]


def test_round_numbers_are_ticked() -> None:
    assert labels(Linear(0, 1)) == ["0", "0.2", "0.4", "0.6", "0.8", "1"]
    assert labels(Linear(0.861, 0.948, percents=True)) == ["88%", "90%", "92%", "94%"]
    assert labels(Linear(1, 4, whole=True)) == ["1", "2", "3", "4"]
    assert labels(Linear(0.5, 1.5, whole=True)) == ["1"]
    assert labels(Linear(0, 0.3)) == ["0", "0.05", "0.1", "0.15", "0.2", "0.25", "0.3"]


def test_powers_of_ten_are_ticked() -> None:
    assert labels(Logarithmic(0.001, 0.1)) == ["0.001", "0.01", "0.1"]
    assert labels(Logarithmic(1e-7, 1e-6)) == ["10⁻⁷", "3×10⁻⁷", "10⁻⁶"]
    assert len(labels(Logarithmic(1e-30, 1e30))) <= 9
    assert Logarithmic(0.001, 0.1).position(0.01) == pytest.approx(0.5)


def test_names_are_ticked() -> None:
    bands = Bands(("16", "64", "256"))
    assert labels(bands) == ["16", "64", "256"]
    assert [tick.position for tick in bands.ticks()] == pytest.approx([1 / 6, 1 / 2, 5 / 6])
    assert len(Bands(tuple(f"a rather long name {n}" for n in range(100))).ticks()) <= 12
    assert all(len(tick.label) <= 11 for tick in Bands(("x" * 80,) * 4).ticks())


def test_a_scale_without_length_has_a_middle() -> None:
    assert Linear(3, 3).position(3) == 0.5
    assert labels(Linear(3, 3)) == ["3"]
    assert Logarithmic(3, 3).position(3) == 0.5


@given(st.lists(st.floats(allow_nan=True, allow_infinity=True), max_size=5), st.booleans())
def test_any_values_have_a_scale_around_them(values: list[float], percents: bool) -> None:
    bounded = [value for value in values if not abs(value) > 1e12]
    scale = around(bounded, percents=percents)
    assert scale.low < scale.high
    assert all(0 <= scale.position(value) <= 1 for value in bounded if value == value)


def test_air_stays_inside_what_can_be() -> None:
    scale = around([0.9, 1.0], floor=0.0, ceiling=1.0)
    assert scale.high == 1.0
    assert 0.8 < scale.low < 0.9
    assert around([1.0], floor=0.0, ceiling=1.0).low < 1.0
    assert around([0.0], floor=0.0).low == 0.0


@given(sizes, sizes)
def test_ticks_are_few_and_inside(one: float, other: float) -> None:
    if abs(one - other) < 1e-5:
        return
    ticks = Linear(min(one, other), max(one, other)).ticks()
    assert 1 <= len(ticks) <= 8
    assert all(-1e-6 <= tick.position <= 1 + 1e-6 for tick in ticks)
