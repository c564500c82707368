from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
import torch
from torch import nn

from tests.training.small_jobs import PlanMaker
from tintype.errors import Conflict, StorageFailed
from tintype.training.checkpoints import Checkpoints, recipe_hash
from tintype.training.plan import TrainingPlan
from tintype.training.progress import Best, Progress

CPU = torch.device("cpu")


class Job:
    """What a job's checkpoints are made of."""

    def __init__(self, plan: TrainingPlan, dataset: str = "images", *, writes: bool = True) -> None:
        self.network = nn.Linear(2, 2)
        self.progress = Progress()
        self.checkpoints = Checkpoints(plan, dataset, self.progress, {"network": self.network}, writes=writes)

    def trained(self) -> Job:
        """As after two epochs, the first of which was the best."""
        weights = {name: tensor + 1 for name, tensor in self.network.state_dict().items()}
        self.progress.best = Best(1, {"loss": 0.5, "accuracy": 0.9, "top5": 1.0}, weights)
        self.progress.end_epoch({"epoch": 1})
        self.progress.end_epoch({"epoch": 2})
        return self


def test_a_job_goes_on_where_it_was(make_plan: PlanMaker) -> None:
    plan = make_plan()
    first, second = Job(plan).trained(), Job(plan)
    first.checkpoints.save()
    assert second.checkpoints.restore(CPU)
    assert torch.equal(first.network.weight, second.network.weight)
    assert (second.progress.epoch, second.progress.step) == (2, 0)
    assert second.progress.best is not None
    assert first.progress.best is not None
    assert second.progress.best.figures == first.progress.best.figures
    assert torch.equal(second.progress.best.weights["weight"], first.progress.best.weights["weight"])


def test_without_a_checkpoint_it_begins_at_the_beginning(make_plan: PlanMaker) -> None:
    job = Job(make_plan())
    assert not job.checkpoints.restore(CPU)
    assert job.progress.epoch == 0


def test_another_recipe_or_other_images_are_refused(make_plan: PlanMaker) -> None:
    plan = make_plan()
    Job(plan).trained().checkpoints.save()
    hotter = plan.model_copy(update={"optimiser": plan.optimiser.model_copy(update={"learning_rate": 0.5})})
    for other in (Job(hotter), Job(plan, "other images")):
        with pytest.raises(Conflict, match=r"last\.pt belongs to another plan or to other images"):
            other.checkpoints.restore(CPU)


def test_what_does_not_matter_may_differ(make_plan: PlanMaker, tmp_path: Path) -> None:
    plan = make_plan()
    other = plan.model_copy(update={"name": "x", "directory": tmp_path, "save": "archive", "checkpoint_seconds": 0.0})
    assert recipe_hash(plan, "images") == recipe_hash(other, "images")
    assert recipe_hash(plan, "images") != recipe_hash(plan.model_copy(update={"seed": 9}), "images")


def test_a_trial_keeps_its_best_weights_and_that_it_ended(make_plan: PlanMaker) -> None:
    plan = make_plan(save="best")
    job = Job(plan).trained()
    job.checkpoints.save()
    with job.checkpoints.finishing():
        pass
    assert [path.name for path in (plan.directory / "checkpoints").iterdir()] == ["best.pt"]
    again = Job(plan.model_copy(update={"save": "archive"}))
    assert again.checkpoints.restore(CPU)
    assert again.progress.is_over(epochs=100, patience=0)


def test_a_job_with_an_archive_keeps_both(make_plan: PlanMaker) -> None:
    plan = make_plan(save="archive")
    with Job(plan).trained().checkpoints.finishing():
        pass
    assert sorted(path.name for path in (plan.directory / "checkpoints").iterdir()) == ["best.pt", "last.pt"]


@pytest.mark.parametrize("save", ["best", "archive"])
def test_what_is_written_at_the_end_is_what_was_there_when_it_began(make_plan: PlanMaker, save: str) -> None:
    plan = make_plan(save=save)
    job = Job(plan).trained()
    assert job.progress.best is not None
    weights, best = job.network.weight.detach().clone(), job.progress.best.weights["weight"].clone()
    with job.checkpoints.finishing(), torch.no_grad():
        job.network.weight.fill_(7)                         # as the best is judged with the network's own memory
        job.progress.best.weights["weight"].fill_(7)
    again = Job(plan)
    assert again.checkpoints.restore(CPU)
    assert again.progress.best is not None
    assert torch.equal(again.progress.best.weights["weight"], best)
    if save == "archive":
        assert torch.equal(again.network.weight, weights)


def test_a_full_disk_at_the_end_is_told(make_plan: PlanMaker, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    done = []
    checkpoints = Job(make_plan(save="best")).trained().checkpoints
    with pytest.raises(StorageFailed, match=r"disk is full while writing .*best\.pt"), checkpoints.finishing():
        done.append("judged")
    assert done == ["judged"]


@pytest.mark.parametrize(("save", "writes"), [("none", True), ("archive", False)])
def test_some_write_nothing(make_plan: PlanMaker, save: str, writes: bool) -> None:
    plan = make_plan(save=save, checkpoint_seconds=0.0)
    job = Job(plan, writes=writes).trained()
    assert not job.checkpoints.due
    job.checkpoints.save()
    with job.checkpoints.finishing():
        pass
    assert not (plan.directory / "checkpoints").exists()


def test_a_checkpoint_is_due_after_its_time(make_plan: PlanMaker) -> None:
    assert Job(make_plan(checkpoint_seconds=0.0)).checkpoints.due
    assert not Job(make_plan(checkpoint_seconds=1000.0)).checkpoints.due


def test_a_new_job_forgets_the_old_one(make_plan: PlanMaker) -> None:
    plan = make_plan()
    Job(plan).trained().checkpoints.save()
    Job(plan).checkpoints.clear()
    assert not Job(plan).checkpoints.restore(CPU)


def test_a_full_disk_leaves_the_checkpoint_before(make_plan: PlanMaker, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = make_plan()
    job = Job(plan).trained()
    job.checkpoints.save()
    before = job.checkpoints.last.read_bytes()

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    job.progress.step = 7
    with pytest.raises(StorageFailed, match=r"disk is full while writing .*last\.pt"):
        job.checkpoints.save()
    assert job.checkpoints.last.read_bytes() == before
    assert sorted(path.name for path in (plan.directory / "checkpoints").iterdir()) == ["best.pt", "last.pt"]


def test_a_checkpoint_runs_no_code(make_plan: PlanMaker) -> None:
    class Trap:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.system, ("true",)

    job = Job(make_plan())
    job.checkpoints.last.parent.mkdir(parents=True)
    torch.save({"format": 1, "trap": Trap()}, job.checkpoints.last)
    with pytest.raises(Conflict, match="cannot be read"):
        job.checkpoints.restore(CPU)
