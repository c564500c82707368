from __future__ import annotations

import json
import subprocess
import sys

import pytest
import torch

from tests.training.processes import ENVIRONMENT, plan_file
from tests.training.small_jobs import PlanMaker, best_weights, run
from tintype.training.distributed import ALONE, World, join

# Without batch norm, whose statistics each process takes of its own part of the batch.
WITHOUT_BATCH_NORM = {
    "model": "test_convnext", "image-size": 32, "epochs": 2, "optimizer": "sgd", "lr": 0.05, "clip-norm": 1.0,
    "precision": "fp32",
}  # fmt: skip


def test_one_process_is_alone() -> None:
    with join({}) as world:
        assert world is ALONE
    rows = torch.ones(3)
    assert ALONE.leads
    assert ALONE.gather(rows) is rows
    assert ALONE.share(torch.nn.Linear(1, 1), torch.device("cpu")).__class__ is torch.nn.Linear
    assert [ALONE.any(flag, torch.device("cpu")) for flag in (True, False)] == [True, False]


def test_a_world_of_one_says_what_torchrun_says() -> None:
    assert World(1, 2).leads is False
    assert World(0, 2).leads is True


def test_two_processes_do_what_one_does_with_twice_the_batch(make_plan: PlanMaker) -> None:
    two = make_plan(WITHOUT_BATCH_NORM | {"batch-size": 8})
    command = (sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")
    done = subprocess.run(
        [*command, "-m", "tintype.training", plan_file(two)],
        capture_output=True, text=True, env=ENVIRONMENT, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    events = [json.loads(line) for line in done.stdout.splitlines()]
    one = run(make_plan(WITHOUT_BATCH_NORM | {"batch-size": 16}))

    assert [event["event"] for event in events].count("end") == 1                   # only the first process speaks
    epochs = [event["metrics"] for event in events if event["event"] == "epoch"]
    assert len(epochs) == 2
    for theirs, ours in zip(epochs, one.epochs, strict=True):
        for split in ("train", "valid"):
            assert theirs[f"{split}:accuracy"] == pytest.approx(ours.metrics[f"{split}:accuracy"], abs=0.05)
        assert theirs["valid:loss"] == pytest.approx(ours.metrics["valid:loss"], rel=1e-3)
    shared, alone = best_weights(two), best_weights(one.plan)
    assert shared.keys() == alone.keys()
    for name, tensor in alone.items():
        assert torch.allclose(shared[name].float(), tensor.float(), atol=1e-3), name
