"""A network and a loop as tutorials have them, for scripts in which neither is what matters."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn, optim
from torch.utils.data import DataLoader, TensorDataset


def small_cnn(channels: int, classes: int, width: int = 16, dropout: float = 0.0) -> nn.Sequential:
    """As tutorials have it."""
    return nn.Sequential(
        nn.Conv2d(channels, width, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(width, 2 * width, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(4), nn.Flatten(),
        nn.Dropout(dropout), nn.Linear(32 * width, classes),
    )  # fmt: skip


def fit(model: nn.Module, x: Tensor, y: Tensor, optimizer: optim.Optimizer, epochs: int, batch: int) -> None:
    """The plainest loop."""
    model.train()
    for _ in range(epochs):
        for images, labels in DataLoader(TensorDataset(x, y), batch, shuffle=True):
            optimizer.zero_grad()
            loss = F.cross_entropy(model(images), labels)
            loss.backward()
            optimizer.step()


def evaluate(model: nn.Module, x: Tensor, y: Tensor) -> float:
    """Accuracy."""
    model.eval()
    right = 0
    with torch.no_grad():
        for images, labels in DataLoader(TensorDataset(x, y), 100):
            output = model(images)
            F.cross_entropy(output, labels)
            right += int((output.argmax(1) == labels).sum())
    return right / len(y)


def mlp(inputs: int, classes: int, width: int = 64) -> nn.Sequential:
    """Two layers."""
    return nn.Sequential(nn.Flatten(), nn.Linear(inputs, width), nn.ReLU(), nn.Linear(width, classes))


def run(model: nn.Module, split: tuple[Tensor, ...], optimizer: optim.Optimizer, epochs: int, batch: int) -> None:
    """Epochs, each with a look at the test images."""
    x, y, x_test, y_test = split
    for epoch in range(epochs):
        fit(model, x, y, optimizer, 1, batch)
        print(epoch, evaluate(model, x_test, y_test))
