"""A job that is killed and taken up again ends as if nothing had happened: real processes, `kill -9`."""

from __future__ import annotations

import time
from typing import Any

import torch

from tests.training.processes import events_of, plan_file, started, until
from tests.training.small_jobs import PlanMaker, are_equal, run
from tintype.training.events import Note
from tintype.training.plan import TrainingPlan

# Everything that is random or has a memory, and a checkpoint after every step.
EVENTFUL = {
    "epochs": 8, "augmentation": "randaugment", "mixup": 0.2, "cutmix": 1.0, "drop-rate": 0.3, "ema": 0.95,
    "clip-norm": 1.0, "accumulate": 2, "label-smoothing": 0.1, "schedule": "one-cycle", "precision": "fp32",
}  # fmt: skip


def last(plan: TrainingPlan) -> dict[str, Any]:
    return torch.load(plan.directory / "checkpoints" / "last.pt", weights_only=True)


def kill_in_mid_epoch(plan: TrainingPlan) -> tuple[int, int]:
    """Start the job, kill it when it is inside the third epoch or a later one; returns the next epoch and step."""
    with started(plan_file(plan)) as process:
        until(events_of(process), "epoch")
        path = plan.directory / "checkpoints" / "last.pt"
        deadline = time.monotonic() + 180
        while time.monotonic() < deadline:
            if path.exists() and (progress := last(plan)["progress"])["epoch"] >= 2 and progress["step"] > 0:
                break
            time.sleep(0.002)
        process.kill()
        process.wait()
    progress = last(plan)["progress"]
    return progress["epoch"], progress["step"]


def test_a_killed_job_ends_as_one_that_was_not(make_plan: PlanMaker) -> None:
    killed, whole = (make_plan(EVENTFUL, save="archive", checkpoint_seconds=0.0) for _ in range(2))
    epoch, step = kill_in_mid_epoch(killed)
    assert (epoch, step > 0) in {(number, True) for number in range(2, EVENTFUL["epochs"])}
    notes = [event.text for event in run(killed, resume=True).events if isinstance(event, Note)]
    assert f"going on with epoch {epoch + 1}, step {step + 1}" in notes
    run(whole)

    one, other = last(killed), last(whole)
    assert are_equal(one["network"], other["network"])
    assert are_equal(one["average"]["weights"], other["average"]["weights"])
    assert len(one["optimiser"]["state"]) > 0
    for name, state in one["optimiser"]["state"].items():
        assert are_equal(state, other["optimiser"]["state"][name])
    metrics = [[entry["metrics"] for entry in each["progress"]["history"]] for each in (one, other)]
    assert metrics[0] == metrics[1]
