"""Mixup and cutmix: images blended with others of the batch, labels in the same shares.

One share and one box per batch, so it costs one pass over the images. Each image's partner is its mirror in the
batch. Zhang et al., arXiv 1710.09412; Yun et al., arXiv 1905.04899. When both are on, each batch draws one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np
from torch import Tensor

from tintype.training.plan import AugmentationPlan


@final
@dataclass(frozen=True, eq=False)
class Targets:
    """What n images show: `share` of `labels`, the rest of `partners`; both (n,) int64."""

    labels: Tensor
    partners: Tensor | None = None
    share: float = 1.0

    @property
    def likeliest(self) -> Tensor:
        """(n,) the class that most of each image is of: what accuracy is measured against."""
        return self.labels if self.partners is None or self.share >= 0.5 else self.partners


@final
@dataclass(frozen=True)
class Mix:
    """What a batch drew. `box` is left, top, right, bottom as shares of the image for cutmix, None for mixup."""

    share: float
    box: tuple[float, float, float, float] | None


def draw_mix(rng: np.random.Generator, plan: AugmentationPlan) -> Mix | None:
    """One batch's draw; None when the plan has neither."""
    if not (plan.mixup or plan.cutmix):
        return None
    cuts = plan.cutmix > 0 and (plan.mixup == 0 or rng.random() < 0.5)
    share = float(rng.beta(plan.cutmix, plan.cutmix) if cuts else rng.beta(plan.mixup, plan.mixup))
    if not cuts:
        return Mix(share, None)
    side = (1 - share) ** 0.5                                   # the pasted box covers 1 - share of the image
    left, top = rng.random(2) * (1 - side)
    return Mix(share, (float(left), float(top), float(left + side), float(top + side)))


def apply_mix(images: Tensor, labels: Tensor, mix: Mix | None) -> tuple[Tensor, Targets]:
    """Blend images float32 (n, 3, h, w), in place, and say what they then show."""
    if mix is None:
        return images, Targets(labels)
    partners, others = labels.flip(0), images.flip(0)
    if mix.box is None:
        return images.lerp_(others, 1 - mix.share), Targets(labels, partners, mix.share)
    height, width = images.shape[2:]
    left, right = round(mix.box[0] * width), round(mix.box[2] * width)
    top, bottom = round(mix.box[1] * height), round(mix.box[3] * height)
    images[:, :, top:bottom, left:right] = others[:, :, top:bottom, left:right]
    pasted = (right - left) * (bottom - top) / (height * width)
    return images, Targets(labels, partners, 1 - pasted)
