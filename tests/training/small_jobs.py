"""Small jobs on easy images, and what they leave behind."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import torch

from tintype.settings import Settings
from tintype.storage import read_json
from tintype.training.events import Epoch, Event, TrainingResult
from tintype.training.hyperparameters import Value, plan_from
from tintype.training.plan import ComputePlan, DataPlan, TrainingPlan
from tintype.training.session import Host
from tintype.training.trainer import train

# A network, a size and a number of steps that take a second.
SMALL: dict[str, Value] = {"model": "small_cnn", "weights": "none", "image-size": 16, "epochs": 2, "batch-size": 8}


class PlanMaker(Protocol):
    """`make_plan({"lr": 0.1}, save="archive")`: a plan by hyperparameters and fields, on the coloured squares."""

    def __call__(
        self,
        hyperparameters: dict[str, Any] | None = None,
        *,
        data: Path | None = None,
        strict: bool = False,
        **fields: Any,
    ) -> TrainingPlan: ...


def small_plan(home: Path, directory: Path, data: Path, hyperparameters: dict[str, Any], **fields: Any) -> TrainingPlan:
    """A plan for one thread of a CPU; `fields` are the plan's own."""
    base = TrainingPlan(
        name=directory.name,
        directory=directory,
        data=DataPlan(location=str(data), strict=fields.pop("strict", False)),
        settings=Settings(home=home, offline=True),
        compute=ComputePlan(device="cpu", threads=1),
    ).model_copy(update={"save": "best", "checkpoint_seconds": 1000.0} | fields)
    return plan_from(SMALL | hyperparameters, base)


@dataclass
class Ran:
    """A job that has been run in this process."""

    plan: TrainingPlan
    events: list[Event] = field(default_factory=list)
    result: TrainingResult | None = None

    @property
    def epochs(self) -> list[Epoch]:
        """What was told of each epoch."""
        return [event for event in self.events if isinstance(event, Epoch)]

    @property
    def ended(self) -> TrainingResult:
        """The result; the test fails without one."""
        assert self.result is not None
        return self.result

    def output(self, name: str) -> Any:
        """A JSON file of output/data."""
        return read_json(self.plan.directory / "output" / "data" / name)


def run(plan: TrainingPlan, *, resume: bool = False, host: Host | None = None) -> Ran:
    """Train, and remember what was told."""
    ran = Ran(plan)
    ran.result = train(plan, ran.events.append, resume, host)
    return ran


def best_weights(plan: TrainingPlan) -> dict[str, torch.Tensor]:
    """The weights in best.pt."""
    return torch.load(plan.directory / "checkpoints" / "best.pt", weights_only=True)["weights"]


def are_equal(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    """Bit by bit."""
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)
