from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn
from torch.optim import SGD, Adam, AdamW, Optimizer

from tintype.training.hyperparameters import Value, plan_from
from tintype.training.optimisers import (
    LEARNING_RATES,
    clip_gradients,
    create_optimiser,
    learning_rate,
    parameter_groups,
)
from tintype.training.plan import DataPlan, OptimiserPlan, TrainingPlan

BASE = TrainingPlan(name="a", directory=Path("/jobs/a"), data=DataPlan(location="photos"))


def network() -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(16, 2))


@pytest.mark.parametrize(("kind", "expected"), [("sgd", SGD), ("adam", Adam), ("adamw", AdamW)])
def test_the_plan_names_the_optimiser(kind: str, expected: type[Optimizer]) -> None:
    plan = OptimiserPlan.model_validate({"kind": kind, "eps": 1e-6, "momentum": 0.8})
    optimiser = create_optimiser(plan, network(), 0.1)
    assert type(optimiser) is expected
    assert all(group["lr"] == group["initial_lr"] == 0.1 for group in optimiser.param_groups)
    assert optimiser.defaults.get("eps", 1e-6) == 1e-6


def test_biases_and_norms_do_not_decay() -> None:
    module = network()
    decaying, others = parameter_groups(module.named_parameters(), 0.05)
    assert (decaying["weight_decay"], others["weight_decay"]) == (0.05, 0.0)
    assert {one.ndim for one in decaying["params"]} == {2, 4}
    assert {one.ndim for one in others["params"]} == {1}
    assert sum(len(group["params"]) for group in (decaying, others)) == len(list(module.parameters()))


def test_frozen_parameters_are_left_out() -> None:
    module = network().requires_grad_(False)
    module[3].weight.requires_grad_(True)       # pyright: ignore[reportAttributeAccessIssue]
    groups = parameter_groups(module.named_parameters(), 0.05)
    assert [len(group["params"]) for group in groups] == [1]


@pytest.mark.parametrize(
    ("hyperparameters", "pretrained", "expected"),
    [
        ({"lr": 0.5}, True, 0.5),
        ({"optimizer": "sgd"}, False, LEARNING_RATES["sgd"].scratch),
        ({"optimizer": "sgd"}, True, LEARNING_RATES["sgd"].pretrained),
        ({"freeze": "backbone"}, True, LEARNING_RATES["adamw"].head),
    ],
)
def test_the_learning_rate_suits_the_start(
    hyperparameters: dict[str, Value], pretrained: bool, expected: float
) -> None:
    assert learning_rate(plan_from(hyperparameters, BASE), pretrained=pretrained) == expected


def test_clipping_bounds_the_norm_of_all_gradients_together() -> None:
    parameters = [nn.Parameter(torch.zeros(2)), nn.Parameter(torch.zeros(3))]
    for parameter in parameters:
        parameter.grad = torch.full_like(parameter, 10.0)
    clip_gradients(parameters, 1.0)
    gradients = torch.cat([parameter.grad for parameter in parameters if parameter.grad is not None])
    assert float(gradients.norm()) == pytest.approx(1.0, rel=1e-4)
