"""Periods and statistics."""

from __future__ import annotations

import pytest

from tintype.errors import InvalidRequest
from tintype.web.api.statistics import Bin, Point, in_periods


def test_periods_begin_at_whole_multiples_and_the_first_holds_the_start() -> None:
    points = [Point(59.0, 1.0), Point(61.0, 2.0), Point(119.0, 4.0), Point(121.0, 8.0), Point(130.0, float("nan"))]
    bins = in_periods(points, start=90.0, end=130.0, period=60)
    assert [(one.at, one.values) for one in bins] == [(60.0, (2.0, 4.0)), (120.0, (8.0,))]


def test_statistics() -> None:
    one = Bin(0.0, (4.0, 1.0, 2.0, 3.0))
    wanted = {"SampleCount": 4.0, "Average": 2.5, "Sum": 10.0, "Minimum": 1.0, "Maximum": 4.0, "p0": 1.0, "p100": 4.0}
    assert {name: one.statistic(name) for name in wanted} == wanted
    assert one.statistic("p50") == 2.5
    with pytest.raises(InvalidRequest, match="Median"):
        one.statistic("Median")
