"""Data as scripts find or make it: scikit-learn's digits, folders of photographs, things drawn with a few lines."""

from __future__ import annotations

import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import Tensor
from torchvision import datasets, transforms

from benchmarks.measuring import SHARED

Split = tuple[Tensor, Tensor, Tensor, Tensor]           # training images and labels, test images and labels

NORMALIZE = transforms.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


def digits(scale: float = 16.0, *, standard: bool = True, test_size: float = 0.25) -> Split:
    """N×1×8×8, divided by `scale` and then standardised."""
    data = load_digits()
    x = (data.images / scale).astype(np.float32)[:, None]
    if standard:
        x = (x - x.mean()) / x.std()
    x_train, x_test, y_train, y_test = train_test_split(x, data.target, test_size=test_size, random_state=42)
    return (
        torch.tensor(x_train), torch.tensor(y_train, dtype=torch.long),
        torch.tensor(x_test), torch.tensor(y_test, dtype=torch.long),
    )  # fmt: skip


def photographs(part: str, *steps: object, classes: tuple[str, ...] = ()) -> datasets.ImageFolder:
    """CIFAR-10's folder `part` ("train" of 200 a class, "valid" and "test" of 50 each); all ten classes by default."""
    folder, composed = str(SHARED / "cifar10-small" / part), transforms.Compose([*steps])
    return _Some(folder, composed, classes) if classes else datasets.ImageFolder(folder, composed)


class _Some(datasets.ImageFolder):
    """Some classes of a folder."""

    def __init__(self, root: str, transform: object, chosen: tuple[str, ...]) -> None:
        self.chosen = sorted(chosen)
        super().__init__(root, transform)               # type: ignore[arg-type]

    def find_classes(self, directory: str) -> tuple[list[str], dict[str, int]]:
        """Those that were chosen."""
        return self.chosen, {name: place for place, name in enumerate(self.chosen)}


def bees_and_ants(part: str, *steps: object) -> datasets.ImageFolder:
    """Hymenoptera's folder "train" (244) or "val" (153)."""
    return datasets.ImageFolder(str(SHARED / "hymenoptera" / part), transforms.Compose([*steps]))


def bars(count: int, size: int = 20, noise: float = 0.5, seed: int = 0) -> tuple[Tensor, Tensor]:
    """One channel of one bar: lying, standing, or along either diagonal; about standardised."""
    made = torch.Generator().manual_seed(seed)
    y = torch.randint(0, 4, (count,), generator=made)
    x = noise * torch.randn(count, 1, size, size, generator=made)
    for image, kind in zip(x, y, strict=True):
        place = int(torch.randint(3, size - 3, (1,), generator=made))
        along = torch.arange(size)
        if kind == 0:
            image[0, place : place + 2] += 3
        elif kind == 1:
            image[0, :, place : place + 2] += 3
        else:
            shifted = (along + place - size // 2).clamp(0, size - 1)
            image[0, along, shifted if kind == 2 else size - 1 - shifted] += 3
    return (x - x.mean()) / x.std(), y


def tints(count: int, size: int = 16, spread: float = 0.6, classes: int = 3, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Three channels of noise around a colour of each class; the classes overlap when `spread` is large."""
    made = torch.Generator().manual_seed(seed)
    colours = torch.randn(classes, 3, 1, 1, generator=torch.Generator().manual_seed(99))
    y = torch.randint(0, classes, (count,), generator=made)
    cast = spread * torch.randn(count, 3, 1, 1, generator=made)
    x = colours[y] + cast + torch.randn(count, 3, size, size, generator=made)
    return (x - x.mean()) / x.std(), y


def blobs(count: int, size: int = 16, seed: int = 0) -> tuple[Tensor, Tensor]:
    """One channel of soft spots, 0 to 1: the label is how many there are, less one (up to four)."""
    made = np.random.default_rng(seed)
    grid = np.mgrid[:size, :size]
    images, labels = [], []
    for _ in range(count):
        many = int(made.integers(1, 5))
        image = np.zeros((size, size))
        for row, column in made.uniform(2, size - 3, (many, 2)):
            image = np.maximum(image, np.exp(-((grid[0] - row) ** 2 + (grid[1] - column) ** 2) / 2.5))
        images.append(image)
        labels.append(many - 1)
    return torch.tensor(np.stack(images)[:, None], dtype=torch.float32), torch.tensor(labels)
