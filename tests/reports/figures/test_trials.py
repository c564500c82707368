from __future__ import annotations

from xml.etree import ElementTree

from tintype.reports.figures.scales import Bands, Linear, Logarithmic
from tintype.reports.figures.trials import Mark, against_hyperparameter, against_time, hyperparameter_scale, sparkline
from tintype.reports.objective import Objective

ACCURACY = Objective("valid:accuracy", maximise=True)
LOSS = Objective("valid:loss", maximise=False)


def marks(*points: tuple[float, float]) -> list[Mark]:
    return [Mark(n, x, y, f"trial {n}", "whole") for n, (x, y) in enumerate(points)]


def dots(drawn: str) -> list[tuple[float, float]]:
    circles = ElementTree.fromstring(drawn).iter("circle")
    return [(float(one.get("cx") or 0), float(one.get("cy") or 0)) for one in circles]


def staircase(drawn: str) -> str:
    root = ElementTree.fromstring(drawn)
    return next(node.get("d") or "" for node in root.iter("path") if node.get("class") == "curve best-so-far")


def test_ranges_choose_the_scale() -> None:
    assert isinstance(hyperparameter_scale(0.001, 0.1, logarithmic=True, whole=False), Logarithmic)
    assert isinstance(hyperparameter_scale(0.0, 0.1, logarithmic=True, whole=False), Linear)
    assert isinstance(hyperparameter_scale(0.1, 0.1, logarithmic=True, whole=False), Linear)


def test_dots_lie_on_their_scale() -> None:
    scale = hyperparameter_scale(0.001, 0.1, logarithmic=True, whole=False)
    drawn = against_hyperparameter(marks((0.001, 0.5), (0.01, 0.9), (0.1, 0.7)), scale, "lr", ACCURACY)
    (x0, y0), (x1, y1), (x2, y2) = dots(drawn)
    assert x1 - x0 == x2 - x1
    assert y1 < y2 < y0                                     # SVG's y points down
    assert "lr, log scale" in drawn


def test_trials_of_one_category_lie_beside_each_other() -> None:
    drawn = against_hyperparameter(marks((0, 0.5), (0, 0.5), (1, 0.5)), Bands(("16", "64")), "batch", ACCURACY)
    assert len({x for x, _ in dots(drawn)}) == 3


def test_the_best_so_far_climbs_or_falls() -> None:
    points = marks((1, 0.5), (2, 0.4), (3, 0.8))
    assert staircase(against_time(points, ACCURACY, wide=True)).count("L") == 3
    assert staircase(against_time(points, LOSS, wide=False)).count("L") == 3
    assert staircase(against_time(points[:1], ACCURACY, wide=True)).count("L") == 1


def test_the_best_is_drawn_last() -> None:
    best = Mark(9, 1.0, 0.9, "trial 9", "best")
    drawn = against_time([best, *marks((2, 0.4))], ACCURACY, wide=True)
    assert ElementTree.fromstring(drawn).findall(".//circle")[-1].get("class") == "trial best"


def test_hours_are_hours() -> None:
    assert "began, s" in against_time(marks((100, 1)), LOSS, wide=True)
    assert "began, min" in against_time(marks((1000, 1)), LOSS, wide=True)
    assert "began, h" in against_time(marks((100_000, 1)), LOSS, wide=True)


def test_sparklines_need_two_values() -> None:
    assert sparkline((1.0,)) == sparkline(()) == sparkline((float("nan"), 1.0)) == ""
    assert "over 3 epochs" in sparkline((1.0, 2.0, 2.0))
