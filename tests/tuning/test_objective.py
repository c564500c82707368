from __future__ import annotations

import math

import pytest

from tintype.tuning.objective import Counted, Direction


@pytest.mark.parametrize(
    ("one", "other", "smaller_wins", "larger_wins"),
    [(1.0, 2.0, True, False), (2.0, 1.0, False, True), (1.0, 1.0, False, False)],
)
def test_better(one: float, other: float, smaller_wins: bool, larger_wins: bool) -> None:
    assert Direction.MINIMIZE.is_better(one, other) is smaller_wins
    assert Direction.MAXIMIZE.is_better(one, other) is larger_wins


@pytest.mark.parametrize("direction", Direction)
@pytest.mark.parametrize("broken", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_is_worst(direction: Direction, broken: float) -> None:
    assert direction.is_better(0.0, broken)
    assert not direction.is_better(broken, 0.0)
    assert not direction.is_better(broken, broken)
    assert sorted([broken, 1.0, 2.0], key=direction.rank)[-1] is broken


def test_which_value_counts() -> None:
    history = ((1, 0.5), (2, 0.9), (3, 0.7))
    assert Counted.LAST.pick(history, Direction.MAXIMIZE) == 0.7
    assert Counted.BEST.pick(history, Direction.MAXIMIZE) == 0.9
    assert Counted.BEST.pick(history, Direction.MINIMIZE) == 0.5
    assert Counted.LAST.pick((), Direction.MINIMIZE) is None
    assert Counted.BEST.pick(((1, math.nan), (2, 3.0)), Direction.MINIMIZE) == 3.0
