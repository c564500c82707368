"""RandAugment: `LAYERS` operations per image, drawn evenly from one table, all of one strength.

Each operation is done at once to all images of the batch that drew it. Images are float32 (n, 3, h, w) of 0..255.
Magnitudes run from 0 to 30; their meaning per operation is torchvision's. Cubuk et al., arXiv 1909.13719.
Cost: about two passes over the batch, more for those that rotate, shear or equalise.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

LAYERS = 2
STRONGEST = 30.0                # the magnitude at which operations reach the figures below
FILL = 128.0                    # grey, where a rotated or shifted picture has no pixels
LUMA = (0.299, 0.587, 0.114)

# images (n, 3, h, w), strength (n, 1, 1, 1) in -1..1 (its sign is a direction) -> images
Operation = Callable[[Tensor, Tensor], Tensor]


def randaugment(
    images: Tensor, operations: NDArray[np.int64], signs: NDArray[np.float32], magnitude: float
) -> Tensor:
    """`images` after each row's operations; `operations` and `signs` are (n, LAYERS)."""
    strengths = torch.from_numpy(signs * np.float32(magnitude / STRONGEST)).to(images.device)
    for layer in range(operations.shape[1]):
        for number, operation in enumerate(OPERATIONS.values()):
            rows = torch.from_numpy(np.flatnonzero(operations[:, layer] == number)).to(images.device)
            if len(rows) and operation is not identity:
                images[rows] = operation(images[rows], strengths[rows, layer].view(-1, 1, 1, 1))
    return images


def identity(images: Tensor, strength: Tensor) -> Tensor:
    """Nothing."""
    return images


def brightness(images: Tensor, strength: Tensor) -> Tensor:
    """Darker or brighter by up to 0.9."""
    return (images * (1 + 0.9 * strength)).clamp_(0, 255)


def contrast(images: Tensor, strength: Tensor) -> Tensor:
    """Towards or away from the mean grey, by up to 0.9."""
    return _blend(images, _grey(images).mean(dim=(2, 3), keepdim=True), strength)


def colour(images: Tensor, strength: Tensor) -> Tensor:
    """Towards or away from grey, by up to 0.9."""
    return _blend(images, _grey(images), strength)


def sharpness(images: Tensor, strength: Tensor) -> Tensor:
    """Blurred or sharpened, by up to 0.9."""
    kernel = images.new_tensor([[1.0, 1.0, 1.0], [1.0, 5.0, 1.0], [1.0, 1.0, 1.0]]).div_(13).expand(3, 1, 3, 3)
    blurred = F.conv2d(F.pad(images, (1, 1, 1, 1), mode="replicate"), kernel, groups=3)
    return _blend(images, blurred, strength)


def posterise(images: Tensor, strength: Tensor) -> Tensor:
    """Fewer levels: 8 bits per colour down to 4."""
    step = torch.exp2(torch.round(4 * strength.abs()))
    return torch.floor(images / step) * step


def solarise(images: Tensor, strength: Tensor) -> Tensor:
    """Values above a threshold, from 255 down to 0, are inverted."""
    return torch.where(images >= 255 * (1 - strength.abs()), 255 - images, images)


def autocontrast(images: Tensor, strength: Tensor) -> Tensor:
    """Each colour is stretched to the whole range."""
    low, high = images.amin(dim=(2, 3), keepdim=True), images.amax(dim=(2, 3), keepdim=True)
    return torch.where(high > low, (images - low) * (255 / (high - low).clamp(min=1)), images)


def equalise(images: Tensor, strength: Tensor) -> Tensor:
    """Each colour's histogram is made flat."""
    levels = images.round().clamp_(0, 255).to(torch.int64).flatten(2).flatten(0, 1)           # (3 n, pixels)
    counts = images.new_zeros(len(levels), 256).scatter_add_(1, levels, images.new_ones(levels.shape))
    cumulated = counts.cumsum(1)
    table = (cumulated - counts / 2) * (255 / levels.shape[1])                                # (3 n, 256)
    return table.gather(1, levels).view(images.shape).contiguous(memory_format=torch.channels_last)


def rotate(images: Tensor, strength: Tensor) -> Tensor:
    """By up to 30 degrees."""
    angle = strength.flatten() * math.radians(30)
    height, width = images.shape[2:]
    return _affine(images, angle.cos(), -angle.sin() * height / width, angle.sin() * width / height, angle.cos())


def shear_x(images: Tensor, strength: Tensor) -> Tensor:
    """Rows slide by up to 0.3 of the height."""
    return _affine(images, xy=0.3 * strength.flatten())


def shear_y(images: Tensor, strength: Tensor) -> Tensor:
    """Columns slide by up to 0.3 of the width."""
    return _affine(images, yx=0.3 * strength.flatten())


def shift_x(images: Tensor, strength: Tensor) -> Tensor:
    """Sideways by up to 0.3 of the width."""
    return _affine(images, dx=0.6 * strength.flatten())


def shift_y(images: Tensor, strength: Tensor) -> Tensor:
    """Up or down by up to 0.3 of the height."""
    return _affine(images, dy=0.6 * strength.flatten())


def _grey(images: Tensor) -> Tensor:
    return (images * images.new_tensor(LUMA).view(1, 3, 1, 1)).sum(dim=1, keepdim=True)


def _blend(images: Tensor, other: Tensor, strength: Tensor) -> Tensor:
    return (other + (1 + 0.9 * strength) * (images - other)).clamp_(0, 255)


def _affine(
    images: Tensor,
    xx: Tensor | float = 1.0,
    xy: Tensor | float = 0.0,
    yx: Tensor | float = 0.0,
    yy: Tensor | float = 1.0,
    dx: Tensor | float = 0.0,
    dy: Tensor | float = 0.0,
) -> Tensor:
    theta = images.new_zeros(len(images), 2, 3)
    for (row, column), value in {(0, 0): xx, (0, 1): xy, (0, 2): dx, (1, 0): yx, (1, 1): yy, (1, 2): dy}.items():
        theta[:, row, column] = value
    grid = F.affine_grid(theta, list(images.shape), align_corners=False)
    return F.grid_sample(images - FILL, grid, padding_mode="zeros", align_corners=False) + FILL


OPERATIONS: dict[str, Operation] = {
    "identity": identity,
    "brightness": brightness,
    "contrast": contrast,
    "colour": colour,
    "sharpness": sharpness,
    "posterise": posterise,
    "solarise": solarise,
    "autocontrast": autocontrast,
    "equalise": equalise,
    "rotate": rotate,
    "shear-x": shear_x,
    "shear-y": shear_y,
    "shift-x": shift_x,
    "shift-y": shift_y,
}
