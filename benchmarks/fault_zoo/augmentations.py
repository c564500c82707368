"""Augmentations of a batch, N×C×H×W: some that help, some that destroy the image."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def flipped(pictures: Tensor) -> Tensor:
    """Left and right swapped for half of them."""
    chosen = torch.rand(len(pictures), 1, 1, 1) < 0.5
    return torch.where(chosen, pictures.flip(3), pictures)


def shifted(pictures: Tensor, pixels: int = 1) -> Tensor:
    """The batch moved by up to so many pixels."""
    x, y = torch.randint(-pixels, pixels + 1, (2,)).tolist()
    return pictures.roll((x, y), (2, 3))


def flipped_and_shifted(pictures: Tensor) -> Tensor:
    """What most recipes do."""
    return shifted(flipped(pictures), 2)


def lightly_noisy(pictures: Tensor) -> Tensor:
    """Noise a tenth as strong as the image."""
    return pictures + 0.1 * torch.randn_like(pictures)


def drowned_in_noise(pictures: Tensor) -> Tensor:
    """Noise four times as strong as the image."""
    return pictures + 4 * torch.randn_like(pictures)


def nearly_erased(pictures: Tensor) -> Tensor:
    """A random square of a quarter of the width is all that is left."""
    _, _, height, width = pictures.shape
    x, y = torch.randint(height * 3 // 4, (1,)).item(), torch.randint(width * 3 // 4, (1,)).item()
    mask = torch.zeros_like(pictures)
    mask[:, :, int(x) : int(x) + height // 4, int(y) : int(y) + width // 4] = 1
    return pictures * mask


def blurred_away(pictures: Tensor) -> Tensor:
    """A crop of a few random pixels, enlarged to the whole image."""
    _, _, height, width = pictures.shape
    x, y = torch.randint(height * 3 // 4, (1,)).item(), torch.randint(width * 3 // 4, (1,)).item()
    crop = pictures[:, :, int(x) : int(x) + height // 4, int(y) : int(y) + width // 4]
    return functional.interpolate(crop, size=(height, width), mode="bilinear")


def pixels_shuffled(pictures: Tensor) -> Tensor:
    """Another order of the pixels in each batch."""
    flat = pictures.flatten(2)
    return flat[:, :, torch.randperm(flat.shape[2])].view_as(pictures)
