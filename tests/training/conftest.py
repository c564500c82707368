"""Small jobs on easy images."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from tintype.settings import Settings
from tintype.training.hyperparameters import Value, plan_from
from tintype.training.plan import ComputePlan, DataPlan, TrainingPlan

PlanMaker = Callable[..., TrainingPlan]

# A network, a size and a number of steps that take a second.
SMALL: dict[str, Value] = {"model": "small_cnn", "weights": "none", "image-size": 16, "epochs": 2, "batch-size": 8}


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home whose caches all tests share."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture
def make_plan(colours: Path, home: Path, tmp_path: Path) -> PlanMaker:
    """`make_plan(lr=0.1, data=..., **plan_fields)`: a plan by hyperparameters, on the coloured squares."""

    def make(
        hyperparameters: dict[str, Value] | None = None,
        *,
        name: str = "job",
        data: Path = colours,
        strict: bool = False,
        save: str = "best",
        checkpoint_seconds: float = 1000.0,
        seed: int = 0,
        objective: str = "valid:accuracy",
    ) -> TrainingPlan:
        base = TrainingPlan.model_validate(
            {
                "name": name,
                "directory": tmp_path / name,
                "data": DataPlan(location=str(data), strict=strict),
                "settings": Settings(home=home, offline=True),
                "compute": ComputePlan(device="cpu", threads=1),
                "save": save,
                "checkpoint_seconds": checkpoint_seconds,
                "seed": seed,
                "objective": objective,
            }
        )
        return plan_from(SMALL | (hyperparameters or {}), base)

    return make
