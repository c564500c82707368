"""Several processes, several devices: who writes, and under which names."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as functional
from torch import nn

from tests.debugger.networks import EVERYTHING, Net, batch, closed, hook_of, train
from tintype.debugger.tensor_log import open_log

WORKER = """
import sys
from pathlib import Path
import torch, torch.nn.functional as functional
from tests.debugger.networks import EVERYTHING, Net, batch, hook_of
rank, folder, workers = int(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
torch.distributed.init_process_group("gloo", init_method=f"file://{folder}.rendezvous", rank=rank, world_size=2)
torch.manual_seed(0)
net = torch.nn.parallel.DistributedDataParallel(Net())
hook = hook_of(folder, include_workers=workers)
hook.register_module(net)
optimiser = torch.optim.SGD(net.parameters(), lr=0.1)
for step in range(2):
    images, labels = batch(seed=10 * rank + step)
    optimiser.zero_grad()
    functional.cross_entropy(net(images), labels).backward()
    optimiser.step()
hook.save_scalar("rank", rank)
hook.close()
assert not hook.failures, hook.failures
torch.save(net.module.fc.weight.grad, f"{folder}.{rank}.pt")
torch.distributed.barrier()
torch.distributed.destroy_process_group()
"""


@pytest.mark.parametrize("workers", ["one", "all"])
def test_two_workers(tmp_path: Path, workers: str) -> None:
    folder = tmp_path / "log"
    started = [
        subprocess.Popen([sys.executable, "-c", WORKER, str(rank), str(folder), workers],
                         cwd=Path(__file__).parents[2], stderr=subprocess.PIPE, text=True)
        for rank in (0, 1)
    ]  # fmt: skip
    for one in started:
        _, errors = one.communicate(timeout=120)
        assert one.returncode == 0, errors
    log = open_log(folder)
    assert log.workers == (("worker_0",) if workers == "one" else ("worker_0", "worker_1"))
    assert log.steps() == [0, 1]
    name = "gradient/DistributedDataParallel_module.fc.weight"
    averaged = torch.load(f"{folder}.0.pt").numpy()
    for worker in log.workers:                                      # of all workers, as the optimiser saw it
        assert np.allclose(log.value(name, 1, worker=worker), averaged)
        assert float(log.value("scalar/rank", 1, worker=worker)) == int(worker[-1])
    if workers == "all":
        losses = [float(log.value("CrossEntropyLoss_output_0", 0, worker=one)) for one in log.workers]
        assert losses[0] != losses[1]


def test_data_parallel_has_smdebugs_names(tmp_path: Path) -> None:
    net = nn.DataParallel(Net())
    hook = hook_of(tmp_path, [*EVERYTHING, ("relu", {"include_regex": "relu_output"})])
    hook.register_module(net)
    train(net, 1)
    log = closed(hook, tmp_path)
    assert "DataParallel_module.fc.weight" in log.names()
    assert log.names(collection="relu") == ["module.features.1_output_0"]


def test_the_copies_of_data_parallel_have_the_names_of_their_originals(tmp_path: Path) -> None:
    net = Net()
    hook = hook_of(tmp_path, [("relu", {"include_regex": "relu_output"})])
    hook.register_module(net)
    replica = net.features[1]._replicate_for_data_parallel()
    assert hook.names.name_of(replica) == "features.1"
    assert hook.names.name_of(nn.ReLU()) is None
    hook.close()


@pytest.mark.parametrize("fullgraph", [False, True])
def test_a_compiled_network_shows_its_outside(tmp_path: Path, fullgraph: bool) -> None:
    net = torch.compile(Net(), backend="eager", fullgraph=fullgraph)
    hook = hook_of(tmp_path, [*EVERYTHING, ("layers", {"include_regex": ".*_output_0"})])
    hook.register_module(net)                                       # type: ignore[arg-type]
    losses = train(net, 3)                                          # type: ignore[arg-type]
    log = closed(hook, tmp_path)
    assert log.steps() == [0, 1, 2]
    assert "OptimizedModule__orig_mod.fc.weight" in log.names()
    assert "gradient/OptimizedModule__orig_mod.fc.weight" in log.names()
    assert list(log.values("CrossEntropyLoss_output_0").values()) == pytest.approx(losses)


def test_a_network_that_is_compiled_after_it_was_registered(tmp_path: Path) -> None:
    net, hook = Net(), hook_of(tmp_path)
    hook.register_module(net)
    compiled = torch.compile(net, backend="eager")
    train(compiled, 3)                                              # type: ignore[arg-type]
    log = closed(hook, tmp_path)
    assert log.steps() == [0, 1, 2]                                 # begun by the optimiser, as its own hook is unseen
    assert log.steps_of("gradient/Net_fc.weight") == [0, 1]


def test_a_whole_step_that_is_compiled_is_led_by_the_optimiser(tmp_path: Path) -> None:
    net, hook = Net(), hook_of(tmp_path, ours=True)
    hook.register_module(net)
    optimiser = torch.optim.SGD(net.parameters(), lr=0.1)

    @torch.compile(backend="eager", fullgraph=True)
    def loss_of(images: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        return functional.cross_entropy(net(images), labels)

    for step in range(5):
        loss = loss_of(*batch(seed=step))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    log = closed(hook, tmp_path)
    assert log.steps() == [0, 1, 2, 3, 4]                           # the first begins with the first optimiser's step
    assert log.steps_of("gradient/Net_fc.weight") == [0, 1, 2, 3]
    assert log.names("_input_") == []


def test_a_network_that_compiles_itself(tmp_path: Path) -> None:
    net, hook = Net(), hook_of(tmp_path, ours=True)
    hook.register_module(net)
    net.compile(backend="eager")
    train(net, 4)
    log = closed(hook, tmp_path)
    assert "gradient/Net_fc.weight" in log.names()
