"""Networks of the zoo: small ones of several kinds, each for images (3, side, side)."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

CLASSES = 4

Network = Callable[[int, int], nn.Module]       # side of the images, width


def convolutional(_: int, width: int) -> nn.Module:
    """Two convolutions."""
    return nn.Sequential(
        nn.Conv2d(3, width, 3, padding=1), nn.ReLU(), nn.Conv2d(width, width, 3, padding=1), nn.ReLU(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, CLASSES),
    )  # fmt: skip


class Residual(nn.Module):
    """A block of depthwise and pointwise convolutions around which its input goes."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.inner = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1, groups=width, bias=False), nn.BatchNorm2d(width), nn.ReLU(),
            nn.Conv2d(width, width, 1, bias=False), nn.BatchNorm2d(width),
        )  # fmt: skip

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """`images` (batch, width, side, side), changed."""
        return torch.relu(images + self.inner(images))


def residual(_: int, width: int) -> nn.Module:
    """Depthwise residual blocks with batch normalisation."""
    return nn.Sequential(
        nn.Conv2d(3, width, 3, padding=1), *(Residual(width) for _ in range(4)),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, CLASSES),
    )  # fmt: skip


class Patches(nn.Module):
    """A transformer over patches of 4 x 4 pixels."""

    def __init__(self, side: int, width: int) -> None:
        super().__init__()
        self.embed = nn.Conv2d(3, width, 4, 4)
        self.place = nn.Parameter(torch.zeros(1, (side // 4) ** 2, width))
        layer = nn.TransformerEncoderLayer(width, 4, 2 * width, batch_first=True)
        self.layers = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.classify = nn.Linear(width, CLASSES)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Scores (batch, classes)."""
        patches = self.embed(images).flatten(2).transpose(1, 2) + self.place
        return self.classify(self.layers(patches).mean(1))


class Rows(nn.Module):
    """A recurrent network that reads an image row by row."""

    def __init__(self, side: int, width: int) -> None:
        super().__init__()
        self.read = nn.LSTM(3 * side, width, batch_first=True)
        self.classify = nn.Linear(width, CLASSES)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Scores (batch, classes)."""
        return self.classify(self.read(images.transpose(1, 2).flatten(2))[0][:, -1])


def perceptron(side: int, width: int) -> nn.Module:
    """Dense layers only."""
    return nn.Sequential(
        nn.Flatten(), nn.Linear(3 * side * side, 16 * width), nn.GELU(), nn.Linear(16 * width, 16 * width), nn.GELU(),
        nn.Linear(16 * width, CLASSES),
    )  # fmt: skip
