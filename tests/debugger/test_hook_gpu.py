"""The hook on a GPU: nothing in it waits for the device, and what it saves is what was there."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as functional
from torch import Tensor, nn

from tests.debugger.networks import EVERYTHING, Net, batch, closed, hook_of

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")]


def steps(net: nn.Module, optimiser: torch.optim.Optimizer, images: Tensor, labels: Tensor, count: int) -> list[Tensor]:
    weights = []
    for _ in range(count):
        weights.append(net.fc.weight.detach().clone())                                      # type: ignore[union-attr]
        loss = functional.cross_entropy(net(images), labels)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return weights


@pytest.mark.parametrize("reductions", [False, True])
def test_a_training_is_saved_without_being_held_up(tmp_path: Path, reductions: bool) -> None:
    words = {"reductions": "min,mean,std,l2_norm,quantiles,histogram,nonfinite", "save_raw_tensor": True}
    layers = ("layers", {"include_regex": ".*put_0", **(words if reductions else {})})
    net = Net().cuda()
    hook = hook_of(tmp_path, [*EVERYTHING, layers], ours=True)
    hook.register_module(net)
    images, labels = (one.cuda() for one in batch())
    optimiser = torch.optim.SGD(net.parameters(), lr=0.1)
    expected = steps(net, optimiser, images, labels, 2)             # streams, buffers and constants are made here
    torch.cuda.synchronize()
    torch.cuda.set_sync_debug_mode("error")
    try:
        expected += steps(net, optimiser, images, labels, 3)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    log = closed(hook, tmp_path)
    for step, weight in enumerate(expected):
        assert np.array_equal(log.value("Net_fc.weight", step), weight.cpu().numpy())
        assert np.isfinite(log.value("gradient/Net_features.0.weight", step)).all()
        assert len(log.value("samples/losses", step)) == len(labels)
    if reductions:
        value = log.value("features.1_output_0", 4)
        assert log.reduction("features.1_output_0", 4, "mean") == pytest.approx(value.mean(), rel=1e-4)


def test_half_precision_with_a_scaler(tmp_path: Path) -> None:
    net = Net().cuda()
    hook = hook_of(tmp_path, ours=True)
    hook.register_module(net)
    images, labels = (one.cuda() for one in batch())
    optimiser, scaler = torch.optim.SGD(net.parameters(), lr=0.1), torch.amp.GradScaler("cuda")
    for _ in range(2):
        with torch.autocast("cuda", dtype=torch.float16):
            loss = functional.cross_entropy(net(images), labels)
        optimiser.zero_grad()
        scaler.scale(loss).backward()
        scaler.step(optimiser)
        scaler.update()
    log = closed(hook, tmp_path)
    assert np.abs(log.value("gradient/Net_fc.weight", 0)).max() < 10    # and not times 65536


@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="needs two devices")
def test_data_parallel_over_two_devices(tmp_path: Path) -> None:
    net = nn.DataParallel(Net().cuda())
    hook = hook_of(tmp_path, [("relu", {"include_regex": "relu_output"})])
    hook.register_module(net)
    net(batch()[0].cuda())
    log = closed(hook, tmp_path)
    assert log.names() == ["module.features.1_output_0", "module.features.1_output_1"]
