from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tintype.reports.confusion import confused_pairs, hardest_classes
from tintype.reports.judging import Predictions, calibration, class_scores, most_wrong, wilson


def predictions(labels: list[int], probabilities: list[list[float]]) -> Predictions:
    return Predictions(np.arange(len(labels)), np.array(labels), np.array(probabilities, dtype=np.float32))


def test_the_interval_of_a_share_is_wilsons() -> None:
    assert wilson(10, 10) == pytest.approx((0.7225, 1.0), abs=1e-4)
    assert wilson(0, 10) == pytest.approx((0.0, 0.2775), abs=1e-4)
    assert wilson(81, 100) == pytest.approx((0.7222, 0.8749), abs=1e-4)
    assert wilson(0, 0) == (0.0, 1.0)


@given(st.integers(0, 10_000).flatmap(lambda total: st.tuples(st.integers(0, total), st.just(total))))
def test_the_interval_holds_the_share(counts: tuple[int, int]) -> None:
    right, total = counts
    low, high = wilson(right, total)
    assert 0 <= low <= high <= 1
    if total:
        assert low - 1e-12 <= right / total <= high + 1e-12


def test_scores_of_classes() -> None:
    confusion = np.array([[3, 1, 0], [0, 4, 0], [0, 0, 0]])
    first, second, third = class_scores(confusion, ("a", "b", "c"))
    assert (first.precision, first.recall, first.f1, first.support) == (1.0, 0.75, pytest.approx(6 / 7), 4)
    assert (second.precision, second.recall, second.support) == (0.8, 1.0, 4)
    assert (third.precision, third.recall, third.f1, third.support) == (None, None, None, 0)


def test_a_model_that_is_as_good_as_it_says_is_calibrated() -> None:
    said = predictions([0] * 8 + [1] * 2, [[0.8, 0.2]] * 10)
    found = calibration(said, "test")
    assert found.error == pytest.approx(0.0, abs=1e-6)
    assert found.is_good
    assert (found.images, found.accuracy) == (10, 0.8)
    assert [one.count for one in found.bins] == [0, 0, 0, 0, 0, 0, 0, 0, 10, 0]


def test_a_model_that_is_too_sure_is_not() -> None:
    found = calibration(predictions([0, 1, 0, 1], [[1.0, 0.0]] * 4), "test")
    assert found.error == pytest.approx(0.5)
    assert not found.is_good
    assert found.bins[-1].count == 4                        # a probability of exactly 1 is in the last bin


def test_the_most_certain_mistakes_come_first() -> None:
    said = predictions([0, 0, 1, 0], [[0.9, 0.1], [0.4, 0.6], [0.7, 0.3], [0.05, 0.95]])
    assert most_wrong(said).tolist() == [3, 2, 1]
    assert most_wrong(predictions([0], [[1.0, 0.0]])).tolist() == []


def test_confusions_by_frequency() -> None:
    confusion = np.array([[9, 1, 3], [0, 9, 0], [3, 0, 9]])
    assert confused_pairs(confusion) == [(0, 2, 3), (2, 0, 3), (0, 1, 1)]
    assert confused_pairs(np.diag([1, 2])) == []
    assert hardest_classes(confusion, 2).tolist() == [0, 2]
    assert hardest_classes(confusion, 9).tolist() == [0, 1, 2]
