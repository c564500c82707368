"""A small convolutional network to train from scratch: for small pictures, few classes and no pretrained weights.

    image (n, 3, s, s), s from 8 to 256
      → one stage per halving of the side, until it is 4 to 7: conv 3×3, max pool, batch norm, relu
      → conv 3×3, batch norm, relu → mean over the map → dropout → linear → (n, classes)

Pooling comes before the norm, which then has a quarter of the work (a fifth of a training step, at the same accuracy).
The first stage of a picture above 64 px strides instead of pooling, since convolving the full-size picture would cost
more than everything after it. Speaks timm's dialect (`forward_features`, `forward_head`, `get_classifier`,
`group_matcher`, `pretrained_cfg`), so that the rest of Tintype need not tell it from a network of timm's.
"""

from __future__ import annotations

from typing import Any, final

import torch
from torch import nn

from tintype.errors import InvalidRequest

SMALLEST_SIDE, LARGEST_SIDE = 8, 256        # pixels
FULL_SIZE_SIDE = 64                         # pixels; up to here the first convolution sees every pixel
WIDTHS = (32, 64, 128, 256)                 # channels of the first stages; later ones stay at the last
FEATURES = 256                              # channels of the last convolution, and so of the pooled features


@final
class SmallCnn(nn.Module):
    """The network; `classes` and `image_size` (pixels a side) fix its shape, `drop_rate` is dropout before the head."""

    def __init__(self, classes: int, image_size: int, drop_rate: float = 0.0) -> None:
        super().__init__()
        if not SMALLEST_SIDE <= image_size <= LARGEST_SIDE:
            raise InvalidRequest(
                f"small_cnn takes images of {SMALLEST_SIDE} to {LARGEST_SIDE} px, got {image_size}; "
                "choose another image size or another network"
            )
        self.num_classes = classes
        self.num_features = self.head_hidden_size = FEATURES
        self.drop_rate = drop_rate
        self.pretrained_cfg: dict[str, Any] = {
            "mean": (0.485, 0.456, 0.406),
            "std": (0.229, 0.224, 0.225),
            "interpolation": "bilinear",
            "input_size": (3, image_size, image_size),
            "classifier": "head",
        }
        self.stages = _stages(image_size)
        self.head = nn.Linear(FEATURES, classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward_features(self, images: torch.Tensor) -> torch.Tensor:
        """(n, 3, s, s) normalised float -> (n, FEATURES, h, w)."""
        return self.stages(images)

    def forward_head(self, maps: torch.Tensor, pre_logits: bool = False) -> torch.Tensor:
        """(n, FEATURES, h, w) -> (n, classes); with `pre_logits` the (n, FEATURES) that go into the linear layer."""
        pooled = maps.mean(dim=(2, 3))
        if self.drop_rate:
            pooled = nn.functional.dropout(pooled, self.drop_rate, self.training)
        return pooled if pre_logits else self.head(pooled)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """(n, 3, s, s) normalised float -> (n, classes) logits."""
        return self.forward_head(self.forward_features(images))

    def get_classifier(self) -> nn.Module:
        """The linear layer."""
        return self.head

    def group_matcher(self, coarse: bool = False) -> dict[str, str]:
        """timm's way to say which parameters form a stage; coarse or not, it is one convolution."""
        return {"blocks": r"^stages\.(\d+)"}


def halvings(image_size: int) -> int:
    """How often the side can be halved before fewer than four pixels are left: 1 for 8 px, 6 for 256 px."""
    return (image_size // 4).bit_length() - 1


def _stages(image_size: int) -> nn.Sequential:
    stages = nn.Sequential()
    channels = 3
    for index in range(halvings(image_size)):
        width = WIDTHS[min(index, len(WIDTHS) - 1)]
        strided = index == 0 and image_size > FULL_SIZE_SIDE
        stages.append(_stage(channels, width, stride=2 if strided else 1, pool=not strided))
        channels = width
    return stages.append(_stage(channels, FEATURES, stride=1, pool=False))


def _stage(channels: int, width: int, *, stride: int, pool: bool) -> nn.Sequential:
    stage = nn.Sequential(nn.Conv2d(channels, width, kernel_size=3, stride=stride, padding=1, bias=False))
    if pool:
        stage.append(nn.MaxPool2d(2))
    return stage.append(nn.BatchNorm2d(width)).append(nn.ReLU(inplace=True))
