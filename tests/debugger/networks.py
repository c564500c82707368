"""Small trainings for the tests of the hook."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from tintype.debugger.configuration import HookConfiguration
from tintype.debugger.hook import Hook
from tintype.debugger.steps import Accounting
from tintype.debugger.tensor_log import TensorLog, open_log

torch.set_num_threads(1)

EVERYTHING = ("weights", "biases", "gradients", "losses")


class Net(nn.Module):
    """A convolution, an in-place ReLU and a layer, for 3×8×8 images of 4 classes."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(inplace=True), nn.AdaptiveAvgPool2d(1))
        self.fc = nn.Linear(4, 4)

    def forward(self, images: Tensor) -> Tensor:
        return self.fc(self.features(images).flatten(1))


def batch(size: int = 6, seed: int = 0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(size, 3, 8, 8, generator=generator), torch.randint(0, 4, (size,), generator=generator)


def configuration(
    folder: Path, collections: Iterable[str | tuple[str, dict[str, Any]]] = EVERYTHING, **parameters: Any
) -> HookConfiguration:
    """A configuration that saves `collections` into `folder` at every step, unless `parameters` say otherwise."""
    entries = [(one, {}) if isinstance(one, str) else one for one in collections]
    return HookConfiguration.from_json(
        {
            "LocalPath": str(folder),
            "HookParameters": {"save_interval": 1, **parameters},
            "CollectionConfigurations": [{"CollectionName": name, "CollectionParameters": given}
                                         for name, given in entries],
        }
    )  # fmt: skip


def hook_of(folder: Path, collections: Iterable[Any] = EVERYTHING, *, ours: bool = False, **parameters: Any) -> Hook:
    accounting = Accounting.OPTIMISER_STEPS if ours else Accounting.FORWARDS
    return Hook(configuration(folder, collections, **parameters), accounting=accounting)


def train(
    net: nn.Module,
    steps: int = 2,
    *,
    criterion: Callable[..., Tensor] | None = None,
    optimiser: torch.optim.Optimizer | None = None,
) -> list[float]:
    """Ordinary steps of training; the losses."""
    criterion = criterion or nn.CrossEntropyLoss()
    optimiser = optimiser or torch.optim.SGD([one for one in net.parameters() if one.requires_grad], lr=0.1)
    losses = []
    for step in range(steps):
        images, labels = batch(seed=step)
        loss = criterion(net(images), labels)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    return losses


def closed(hook: Hook, folder: Path) -> TensorLog:
    """The log of a hook that has nothing more to save, and in which nothing went wrong."""
    failures = hook.failures
    hook.close()
    assert not failures
    return open_log(folder)


