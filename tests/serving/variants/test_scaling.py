"""Numbers of workers by load."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as some
from pydantic import ValidationError

from tintype.serving.variants.scaling import Load, Scaling, wanted_workers

SCALING = Scaling(fewest=1, most=8, target=2.0, out_seconds=5, in_seconds=60)


@pytest.mark.parametrize(
    ("workers", "in_flight", "since", "wanted"),
    [
        (1, 2.0, 100, 1),           # on target
        (1, 2.1, 100, 1),           # near it
        (1, 6.0, 100, 3),           # three times as much to do
        (1, 6.0, 4, 1),             # but a change was just made
        (2, 100.0, 100, 8),         # never over the maximum
        (8, 0.0, 100, 4),           # down by halves
        (8, 0.0, 59, 8),
        (4, 5.9, 100, 3),
        (1, 0.0, 1e9, 1),           # never below the minimum
        (12, 24.0, 0, 8),           # the bounds were moved: at once
        (3, 0.1, 1e9, 1),
    ],
)
def test_decisions(workers: int, in_flight: float, since: float, wanted: int) -> None:
    assert wanted_workers(Load(workers, in_flight, since), SCALING) == wanted


@given(some.integers(1, 8), some.floats(0, 100), some.integers(0, 1000))
def test_within_bounds_and_it_comes_to_rest(workers: int, in_flight: float, since: int) -> None:
    seen = [workers]
    for _ in range(10):
        seen.append(wanted_workers(Load(seen[-1], in_flight, 1e9), SCALING))
    assert all(1 <= one <= 8 for one in seen)
    assert seen[-1] == seen[-2]
    assert wanted_workers(Load(workers, in_flight, 0.0), SCALING) == workers


def test_bounds_that_contradict_each_other() -> None:
    with pytest.raises(ValidationError, match="contradict"):
        Scaling(fewest=3, most=2)
