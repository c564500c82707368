"""A short walk through the fault zoo: six broken trainings are named, six healthy ones are left alone."""

from __future__ import annotations

from pathlib import Path

import pytest
from benchmarks.fault_zoo.capture import captured
from benchmarks.fault_zoo.judging import judge, totals
from benchmarks.fault_zoo.page import TITLES, page
from benchmarks.fault_zoo.zoo import FAULTS, ZOO

from tintype.rules.catalogue import RULES

BROKEN = (
    "sigmoid stack, MLP",
    "zero weights, MLP",
    "double softmax, MLP",
    "rate 100× too high, MLP, SGD",
    "rate 100× too low, MLP, SGD",
    "optimiser has the last layer only",
)
HEALTHY = ("MLP, Adam", "MLP, SGD", "MLP, tanh", "MLP, few steps", "MLP, drawn shapes", "CNN, shapes")


def test_names_are_unique_and_right_rules_exist() -> None:
    assert len(ZOO) >= 60
    assert len(FAULTS) >= 30
    assert len(ZOO) - len(FAULTS) >= 30
    assert {rule for one in FAULTS for rule in one.rules} <= set(RULES)


@pytest.mark.slow
@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_training_is_named(name: str, tmp_path: Path) -> None:
    verdict = judge(ZOO[name], captured(ZOO[name], tmp_path), RULES)
    assert not verdict.crashed
    assert verdict.named, verdict.fired


@pytest.mark.slow
@pytest.mark.parametrize("name", HEALTHY)
def test_a_healthy_training_is_left_alone(name: str, tmp_path: Path) -> None:
    verdict = judge(ZOO[name], captured(ZOO[name], tmp_path), RULES)
    assert not verdict.crashed
    assert not verdict.fired
    assert totals([verdict]).alarm_percent == 0
    assert f"| {name} |" in page([verdict], sorted(RULES), TITLES["chosen"])
