from __future__ import annotations

import torch
from torch import nn

from tintype.training.averaging import WeightAverage


def moved(module: nn.Module, by: float) -> None:
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(by)


def test_without_decay_there_is_no_average() -> None:
    module = nn.Linear(2, 2)
    average = WeightAverage(module, 0.0)
    average.update()
    assert average.module is module


def test_the_average_follows_slowly_and_starts_quickly() -> None:
    module = nn.Linear(1, 1)
    nn.init.zeros_(module.weight)
    average = WeightAverage(module, 0.999)
    moved(module, 1.0)
    average.update()
    weight = next(average.module.parameters())
    assert torch.allclose(weight, torch.full_like(weight, 1 - 2 / 11))      # the decay is 2/11 in the first step
    assert not weight.requires_grad


def test_statistics_are_averaged_and_counters_copied() -> None:
    module = nn.BatchNorm1d(3)
    average = WeightAverage(module, 0.5)
    module(torch.randn(8, 3) + 10)
    average.update()
    norm = average.module
    assert isinstance(norm, nn.BatchNorm1d)
    assert norm.num_batches_tracked is not None
    assert int(norm.num_batches_tracked) == 1
    assert norm.running_mean is not None
    assert module.running_mean is not None
    assert torch.all((norm.running_mean > 0) & (norm.running_mean < module.running_mean))


def test_it_goes_on_where_another_was() -> None:
    module = nn.Linear(2, 2)
    first, second = WeightAverage(module, 0.9), WeightAverage(module, 0.9)
    moved(module, 1.0)
    first.update()
    second.load_state_dict(first.state_dict())
    moved(module, 1.0)
    first.update()
    second.update()
    for one, other in zip(first.module.parameters(), second.module.parameters(), strict=True):
        assert torch.equal(one, other)
