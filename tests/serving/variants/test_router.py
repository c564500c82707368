"""Who answers: shares are kept to within two requests, names are obeyed."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as some

from tintype.errors import InvalidRequest
from tintype.serving.variants.router import Route, blend, choose

weights = some.lists(some.floats(0, 1000), min_size=1, max_size=5).filter(lambda one: sum(one) > 1e-6)


@given(weights, some.integers(0, 10**6))
def test_shares_are_kept_from_any_request_on(given_weights: list[float], first: int) -> None:
    routes = [Route(f"v{number}", weight, number) for number, weight in enumerate(given_weights)]
    counts = Counter(choose(routes, first + number).to for number in range(200))
    for number, weight in enumerate(given_weights):
        assert abs(counts[number] - 200 * weight / sum(given_weights)) <= 4
        assert weight or not counts[number]


def test_a_target_is_obeyed_even_without_weight() -> None:
    routes = [Route("a", 1, 1), Route("b", 0, 2)]
    assert {choose(routes, number).to for number in range(50)} == {1}
    assert choose(routes, 7, "b").to == 2
    with pytest.raises(InvalidRequest, match="no variant 'c' here; there are: a, b"):
        choose(routes, 0, "c")


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 1.0])
def test_an_update_gets_its_share_whatever_the_scales(share: float) -> None:
    routes = blend([Route("a", 3, "old"), Route("b", 1, "old")], [Route("a", 100, "new")], share)
    counts = Counter(choose(routes, number).to for number in range(1000))
    assert abs(counts["new"] - 1000 * share) <= 4
    named = Counter(choose(routes, number, "a").to for number in range(1000))
    assert named["old"] if share < 1 else not named["old"]
