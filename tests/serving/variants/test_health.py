"""Windows of outcomes, and what few of them prove."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as some

from tintype.serving.variants.health import Health, Outcome, Window, lowest_percentile, lowest_rate, percentile


def test_a_window_forgets() -> None:
    window = Window(seconds=60)
    for second in range(100):
        window.add(Outcome(at=float(second), seconds=0.01 * second, failed=second % 10 == 0))
    health = window.health(now=100.0)
    assert (health.requests, health.errors) == (60, 6)
    assert health.p99 == pytest.approx(0.99)
    assert window.health(now=100.0, since=95.0).requests == 5
    assert (window.requests, window.errors) == (100, 10)
    assert window.health(now=1e6) == Health()
    assert Health().error_rate == 0


def test_phases_keep_their_order() -> None:
    window = Window()
    for number in range(1, 101):
        window.add(Outcome(0.0, 1.0, phases={"queue": number / 100, "decode": 0.5}))
    assert window.phases(now=1.0) == {"queue": (0.5, 0.99), "decode": (0.5, 0.5)}


def test_percentiles() -> None:
    assert percentile([], 0.99) == 0
    assert percentile([3.0], 0.5) == percentile([3.0], 0.99) == 3.0
    assert percentile([1.0, 2.0, 3.0, 4.0], 0.5) == 2.0


@given(some.integers(0, 1000), some.integers(0, 1000))
def test_the_lower_end_is_below_the_rate(errors: int, others: int) -> None:
    low = lowest_rate(errors, errors + others)
    assert 0 <= low <= (errors / (errors + others) if errors + others else 0)


def test_one_error_proves_little_and_many_prove_much() -> None:
    assert lowest_rate(1, 1) < 0.21
    assert lowest_rate(1, 50) < 0.02
    assert lowest_rate(10, 50) > 0.1
    assert lowest_rate(500, 1000) == pytest.approx(0.5, abs=0.04)


def test_one_slow_request_in_fifty_is_no_slow_model() -> None:
    ranked = [0.01] * 49 + [9.0]
    assert percentile(ranked, 0.99) == 9.0
    assert lowest_percentile(ranked, 0.99) == 0.01
    assert lowest_percentile([0.01] * 900 + [9.0] * 100, 0.99) == 9.0
    assert lowest_percentile([], 0.99) == lowest_percentile([1.0], 0.99) == 0.0
