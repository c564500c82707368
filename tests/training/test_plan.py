from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tintype.errors import InvalidRequest, NotFound
from tintype.training.plan import DataPlan, TrainingPlan, load_plan, parse_plan, save_plan

PLAN = TrainingPlan(name="a", directory=Path("/jobs/a"), data=DataPlan(location="photos"))


def test_a_plan_survives_its_file(tmp_path: Path) -> None:
    save_plan(tmp_path / "plan.json", PLAN)
    assert load_plan(tmp_path / "plan.json") == PLAN


def test_a_missing_file_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"plan\.json"):
        load_plan(tmp_path / "plan.json")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"epochs": 0}, r"epochs: .*greater than or equal to 1, got 0"),
        ({"optimiser": {"kind": "lion"}}, r"optimiser\.kind: .*'sgd', 'adamw' or 'adam', got 'lion'"),
        ({"colour": "red"}, r"colour: .*not permitted"),
        ({"loss": {"label_smoothing": float("nan")}}, r"label_smoothing"),
    ],
)
def test_an_error_names_the_field_the_rule_and_what_arrived(change: dict[str, object], told: str) -> None:
    with pytest.raises(InvalidRequest, match=told):
        parse_plan(PLAN.model_dump() | change)


def test_something_else_is_no_plan() -> None:
    with pytest.raises(InvalidRequest, match="the plan"):
        parse_plan([1, 2])


@pytest.mark.parametrize(
    ("given", "meant"), [("Backbone", "backbone"), (True, "backbone"), ("false", "none"), ("2", 2)]
)
def test_freeze_takes_words_numbers_and_yes(given: object, meant: object) -> None:
    plan = parse_plan(PLAN.model_dump() | {"network": {"freeze": given}})
    assert plan.network.freeze == meant


@pytest.mark.parametrize(
    ("freeze", "augmentation", "mixup", "cached"),
    [
        ("backbone", "flip", 0.0, True),
        ("backbone", "none", 0.0, True),
        ("backbone", "crop-flip", 0.0, False),
        ("backbone", "flip", 0.2, False),
        ("none", "none", 0.0, False),
    ],
)
def test_features_are_cached_when_all_views_are_known(
    freeze: str, augmentation: str, mixup: float, cached: bool
) -> None:
    change = {"network": {"freeze": freeze}, "augmentation": {"kind": augmentation, "mixup": mixup}}
    assert parse_plan(PLAN.model_dump() | change).uses_cached_features is cached


@pytest.mark.parametrize("module", ["plan", "hyperparameters", "events", "__main__"])
def test_importing_it_loads_no_torch(module: str) -> None:
    code = f"import sys, tintype.training.{module}; assert not {{'torch', 'timm', 'numpy'}} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
