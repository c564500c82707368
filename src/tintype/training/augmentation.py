"""Random crops and flips for a whole batch of uint8 images at once, on any device.

What happens is drawn first, with NumPy, for the batch of all processes together (`draw`); then it is done to the
images (`Augmentation.apply`). So the same images come out on every device, after a resume, and however many
processes share the batch. Boxes are drawn in the geometry of the original pictures, although the cached ones are
stretched to a square: nothing is distorted more than the aspect ratios below say.

Pictures that have pixels to spare are zoomed into (a random box, resized). Small ones, of which the network sees
every pixel anyway, are shifted instead, by up to an eighth of their side, their edges reflected.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import final

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from tintype.datasets.transforms import Preprocessing
from tintype.training.plan import AugmentationPlan
from tintype.training.randaugment import LAYERS, OPERATIONS, randaugment

ASPECTS = (3 / 4, 4 / 3)        # of a random box, as everybody since Inception has them
ATTEMPTS = 10                   # boxes drawn until one fits into the picture
SHIFT = 8                       # small pictures move by up to 1/8 of their side
LOOPED_PIXELS = 64              # above this many pixels per side one resize per image beats one for the batch on a CPU


@final
@dataclass(frozen=True, eq=False)
class Draws:
    """What happens to n images: all arrays have n rows."""

    boxes: NDArray[np.float32]          # (n, 4): left, top, width, height as shares of the picture
    flips: NDArray[np.bool_]            # (n,): left becomes right
    operations: NDArray[np.int64]       # (n, LAYERS): positions in `randaugment.OPERATIONS`
    signs: NDArray[np.float32]          # (n, LAYERS): -1 or 1, the direction of those that have one

    def __getitem__(self, rows: slice) -> Draws:
        """The draws of some of the images."""
        return Draws(self.boxes[rows], self.flips[rows], self.operations[rows], self.signs[rows])


def draw(rng: np.random.Generator, boxes: NDArray[np.float64]) -> Draws:
    """Draws for n pictures whose `boxes` (n, 4) have been drawn by `random_boxes` or `random_shifts`."""
    count = len(boxes)
    return Draws(
        boxes=boxes.astype(np.float32),
        flips=rng.random(count) < 0.5,
        operations=rng.integers(len(OPERATIONS), size=(count, LAYERS)),
        signs=np.where(rng.random((count, LAYERS)) < 0.5, -1.0, 1.0).astype(np.float32),
    )


@final
@dataclass(frozen=True)
class Augmentation:
    """Training images from cached ones. `side` is that of the cached pictures, in pixels."""

    plan: AugmentationPlan
    preprocessing: Preprocessing
    side: int

    @property
    def shift(self) -> int | None:
        """How far small pictures are moved, in pixels; None for those that are zoomed into."""
        return self.side // SHIFT if self.side <= self.preprocessing.size else None

    def draw(self, rng: np.random.Generator, aspects: NDArray[np.float32]) -> Draws:
        """What will happen to pictures of `aspects` (n,), width divided by height."""
        if self.shift is None:
            return draw(rng, random_boxes(rng, aspects, self.plan.minimum_area))
        return draw(rng, random_shifts(rng, len(aspects), self.shift / self.side))

    def apply(self, pictures: Tensor, draws: Draws) -> Tensor:
        """uint8 (n, side, side, 3) on any device to normalised float32 (n, 3, size, size), channels last."""
        kind = self.plan.kind
        if kind in ("none", "flip"):
            images = pictures if kind == "none" else flip(pictures, draws.flips)
        elif self.side == self.preprocessing.size:
            images = shift_and_flip(pictures, draws)
        else:
            images = crop_and_flip(pictures, draws, self.preprocessing.size)
        floats = images.permute(0, 3, 1, 2).to(torch.float32, memory_format=torch.channels_last)
        if kind == "randaugment":
            floats = randaugment(floats, draws.operations, draws.signs, self.plan.magnitude)
        return normalise(floats, self.preprocessing)


def normalise(images: Tensor, preprocessing: Preprocessing) -> Tensor:
    """float32 (n, 3, s, s) of 0..255 to zero mean and unit deviation, in place."""
    mean = torch.tensor(preprocessing.mean, device=images.device).view(1, 3, 1, 1)
    std = torch.tensor(preprocessing.std, device=images.device).view(1, 3, 1, 1)
    return images.mul_(1 / (255 * std)).sub_(mean / std)


def flip(pictures: Tensor, flips: NDArray[np.bool_]) -> Tensor:
    """(n, h, w, 3) with left and right exchanged where `flips` says so. A new tensor unless there is nothing to do."""
    rows = torch.from_numpy(np.flatnonzero(flips)).to(pictures.device)
    if not len(rows):
        return pictures
    return pictures.index_copy(0, rows, pictures.index_select(0, rows).flip(2))


def shift_and_flip(pictures: Tensor, draws: Draws) -> Tensor:
    """Pictures (n, s, s, 3) moved by whole pixels, edges reflected; the same size comes out."""
    count, side = pictures.shape[0], pictures.shape[1]
    offsets = np.rint(draws.boxes[:, :2] * side).astype(np.int64)                    # (n, 2) x, y
    places = np.arange(side)
    columns = _reflect(places + offsets[:, :1], side)                                # (n, s)
    columns = np.where(draws.flips[:, None], columns[:, ::-1], columns)
    rows = _reflect(places + offsets[:, 1:], side) + side * np.arange(count)[:, None]
    flat = rows[:, :, None] * side + columns[:, None, :]                             # (n, s, s) pixels
    return pictures.reshape(-1, 3)[torch.from_numpy(flat).to(pictures.device)]


def crop_and_flip(pictures: Tensor, draws: Draws, size: int) -> Tensor:
    """The boxes of pictures (n, side, side, 3), resized to uint8 (n, size, size, 3)."""
    if pictures.device.type == "cpu" and size > LOOPED_PIXELS:
        return flip(_crop_one_by_one(pictures, draws.boxes, size), draws.flips)
    return _crop_at_once(pictures, draws, size)


def _crop_one_by_one(pictures: Tensor, boxes: NDArray[np.float32], size: int) -> Tensor:
    # The uint8 channels-last kernel is vectorised and antialiased; it wants whole pixels.
    side = pictures.shape[1]
    corners = np.rint(np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], axis=1) * side).astype(int)
    corners = corners.clip(0, side)
    crops = pictures.new_empty(len(pictures), size, size, 3)
    for index, (left, top, right, bottom) in enumerate(corners.tolist()):
        crop = pictures[index, top : max(bottom, top + 1), left : max(right, left + 1)].permute(2, 0, 1)[None]
        resized = F.interpolate(crop, size=(size, size), mode="bilinear", antialias=True)
        crops[index] = resized[0].permute(1, 2, 0)
    return crops


def _crop_at_once(pictures: Tensor, draws: Draws, size: int) -> Tensor:
    boxes = torch.from_numpy(draws.boxes).to(pictures.device)
    direction = torch.from_numpy(np.where(draws.flips, -1.0, 1.0).astype(np.float32)).to(pictures.device)
    theta = boxes.new_zeros(len(boxes), 2, 3)                   # affine_grid's coordinates run from -1 to 1
    theta[:, 0, 0] = boxes[:, 2] * direction
    theta[:, 1, 1] = boxes[:, 3]
    theta[:, :, 2] = 2 * boxes[:, :2] + boxes[:, 2:] - 1
    grid = F.affine_grid(theta, [len(boxes), 3, size, size], align_corners=False)
    floats = pictures.permute(0, 3, 1, 2).to(torch.float32)
    crops = F.grid_sample(floats, grid, padding_mode="reflection", align_corners=False)
    return crops.round_().clamp_(0, 255).to(torch.uint8).permute(0, 2, 3, 1)


def random_boxes(rng: np.random.Generator, aspects: NDArray[np.float32], minimum_area: float) -> NDArray[np.float64]:
    """(n, 4) boxes inside pictures of `aspects` (n,), covering at least `minimum_area` of them (0..1)."""
    count = len(aspects)
    picture = aspects[:, None].astype(np.float64)                               # width, where the height is 1
    area = rng.uniform(minimum_area, 1.0, (count, ATTEMPTS)) * picture
    shape = np.exp(rng.uniform(math.log(ASPECTS[0]), math.log(ASPECTS[1]), (count, ATTEMPTS)))
    width, height = np.sqrt(area * shape), np.sqrt(area / shape)
    fits = (width <= picture) & (height <= 1.0)
    chosen = np.argmax(fits, axis=1)[:, None]                                   # the first that fits, or the first
    width = np.minimum(np.take_along_axis(width, chosen, axis=1), picture) / picture
    height = np.minimum(np.take_along_axis(height, chosen, axis=1), 1.0)
    place = rng.random((count, 2))
    return np.concatenate([place[:, :1] * (1 - width), place[:, 1:] * (1 - height), width, height], axis=1)


def random_shifts(rng: np.random.Generator, count: int, farthest: float) -> NDArray[np.float64]:
    """(n, 4) boxes of the size of the picture, moved by up to `farthest` of its side in both directions."""
    offsets = rng.uniform(-farthest, farthest, (count, 2))
    return np.concatenate([offsets, np.ones((count, 2))], axis=1)


def _reflect(places: NDArray[np.int64], side: int) -> NDArray[np.int64]:
    folded = np.abs(places)
    return np.where(folded >= side, 2 * (side - 1) - folded, folded)
