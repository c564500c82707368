"""What the tests of the trainer share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from tests.training.small_jobs import PlanMaker, small_plan
from tintype.training import device
from tintype.training.plan import TrainingPlan


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def _in_floats(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests compare numbers, so "auto" is fp32 in all of them, also on a processor with bf16."""
    monkeypatch.setattr(device, "cpu_flags", lambda: frozenset[str]())


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home whose caches all tests share."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture
def make_plan(colours: Path, home: Path, tmp_path: Path) -> PlanMaker:
    """See `PlanMaker`; every plan has a directory of its own below `tmp_path`."""
    made = 0

    def make(
        hyperparameters: dict[str, Any] | None = None, *, data: Path | None = None, strict: bool = False, **fields: Any
    ) -> TrainingPlan:
        nonlocal made
        made += 1
        directory = tmp_path / f"job-{made}"
        return small_plan(home, directory, data or colours, hyperparameters or {}, strict=strict, **fields)

    return make
