from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tintype.errors import InvalidRequest
from tintype.tuning.ranges import Categorical, Continuous, Integer
from tintype.tuning.space import Space

SMALL = Space((Integer("epochs", 2, 4), Categorical("batch-size", (16, 64)), Categorical("model", ("a", "b", "c"))))


def test_points_are_numbered_like_nested_loops() -> None:
    assert SMALL.size == 18
    points = [SMALL.numbered(number) for number in range(18)]
    assert len({SMALL.key(point) for point in points}) == 18
    assert points[0] == {"epochs": 2, "batch-size": 16, "model": "a"}
    assert points[1] == {"epochs": 2, "batch-size": 16, "model": "b"}
    assert points[17] == {"epochs": 4, "batch-size": 64, "model": "c"}
    assert list(points[5]) == ["epochs", "batch-size", "model"]


def test_a_continuous_range_has_no_end_unless_its_ends_meet() -> None:
    assert Space((Continuous("lr", 0.1, 0.2),)).size is None
    assert Space((Continuous("lr", 0.1, 0.1), Integer("n", 1, 3))).size == 3
    assert Space((Continuous("lr", 0.1, 0.1), Integer("n", 1, 3))).numbered(2) == {"lr": 0.1, "n": 3}


@given(st.sets(st.integers(0, 17)), st.integers(0, 17), st.integers(0, 99))
def test_near_finds_an_unseen_point_while_there_is_one(numbers: set[int], wanted: int, seed: int) -> None:
    seen = {SMALL.key(SMALL.numbered(number)) for number in numbers}
    found = SMALL.near(SMALL.numbered(wanted), seen, Random(seed))
    if len(numbers) == 18:
        assert found is None
        return
    assert found is not None
    assert SMALL.key(found) not in seen
    if wanted not in numbers:
        assert found == SMALL.numbered(wanted)


def test_near_takes_the_fewest_steps() -> None:
    space = Space((Integer("n", 0, 100),))
    seen = {(number,) for number in range(40, 61)}
    found = space.near({"n": 45}, seen, Random(0))
    assert found == {"n": 39}


def test_near_leaves_a_continuous_space_alone() -> None:
    space = Space((Continuous("lr", 0.1, 0.2), Integer("n", 1, 2)))
    assert space.near({"lr": 0.1, "n": 1}, {(0.1, 1)}, Random(0)) == {"lr": 0.1, "n": 1}


def test_pinned() -> None:
    assert SMALL.pinned("epochs", 4).size == 6
    assert SMALL.pinned("epochs", 4).names == SMALL.names


def test_json() -> None:
    assert Space.from_json(SMALL.to_json()) == SMALL


def test_empty_and_doubled_are_refused() -> None:
    with pytest.raises(InvalidRequest, match="nothing to tune"):
        Space(())
    with pytest.raises(InvalidRequest, match="'lr' has two ranges"):
        Space((Continuous("lr", 0.1, 0.2), Integer("lr", 1, 2)))
