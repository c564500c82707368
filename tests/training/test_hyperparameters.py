from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tintype.errors import InvalidRequest
from tintype.training.hyperparameters import HYPERPARAMETERS, domain_of, find, plan_from, value_of, values_of
from tintype.training.plan import DataPlan, TrainingPlan

BASE = TrainingPlan(name="a", directory=Path("/jobs/a"), data=DataPlan(location="photos"))


def test_names_are_forgiving() -> None:
    names = ["lr", "LR", "learning-rate", "learning_rate", "Learning_Rate"]
    assert {find(name).name for name in names} == {"lr"}
    assert find("epoch").path == "epochs"


def test_no_name_means_two_things() -> None:
    names = [name for row in HYPERPARAMETERS for name in (row.name, *row.aliases)]
    assert len(names) == len(set(names))
    assert all(find(name).name == row.name for row in HYPERPARAMETERS for name in (row.name, *row.aliases))


def test_strings_become_numbers() -> None:
    plan = plan_from({"lr": "0.25", "batch_size": "16", "eps": "1e-7", "freeze": "2"}, BASE)
    assert (plan.optimiser.learning_rate, plan.optimiser.eps) == (0.25, 1e-7)
    assert (plan.batch_size, plan.network.freeze) == (16, 2)


def test_auto_leaves_it_open() -> None:
    plan = plan_from({"image-size": "64", "lr": 1.0}, BASE)
    assert plan_from({"image-size": "auto", "lr": "auto"}, plan) == BASE


def test_an_unknown_name_lists_near_ones() -> None:
    with pytest.raises(InvalidRequest, match=r"'batchsiz'; did you mean 'batch-size'"):
        plan_from({"batchsiz": 3}, BASE)


def test_one_setting_under_two_names_is_refused() -> None:
    with pytest.raises(InvalidRequest, match=r"'lr' and 'learning_rate'"):
        plan_from({"lr": 0.1, "learning_rate": 0.2}, BASE)


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("Batch-Size", "0", r"'Batch-Size': .*1, got '0'"),
        ("lr", "-1", r"'lr': .*greater than 0, got '-1'"),
        ("optimizer", "lion", r"'optimizer': .*'sgd', 'adamw' or 'adam'"),
        ("epochs", "many", r"'epochs': .*integer.*got 'many'"),
        ("freeze", "toes", r"'freeze'"),
    ],
)
def test_an_error_names_the_hyperparameter_as_it_came(name: str, value: str, told: str) -> None:
    with pytest.raises(InvalidRequest, match=told):
        plan_from({name: value}, BASE)


@pytest.mark.parametrize("row", HYPERPARAMETERS, ids=lambda row: row.name)
def test_every_default_is_its_own_value(row: object) -> None:
    name = getattr(row, "name", "")
    domain = domain_of(name)
    assert domain.types
    assert value_of(BASE, name) == domain.default
    if domain.default is not None:
        assert plan_from({name: domain.default}, BASE) == BASE


def test_a_domain_says_what_may_be_given() -> None:
    assert domain_of("lr").open_low
    assert (domain_of("lr").low, domain_of("epochs").low) == (0, 1)
    assert domain_of("schedule").choices == ("constant", "cosine", "one-cycle", "step")


@given(st.floats(1e-6, 1.0), st.integers(1, 4096), st.sampled_from(["sgd", "adam", "adamw"]))
def test_values_come_back(rate: float, batch: int, optimiser: str) -> None:
    values = values_of(plan_from({"lr": str(rate), "batch-size": str(batch), "optimizer": optimiser}, BASE))
    assert (values["lr"], values["batch-size"], values["optimizer"]) == (rate, batch, optimiser)
