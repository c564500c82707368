"""From pixels of any size to the batch a network sees: the one preprocessing of evaluation and serving.

Training evaluation, feature extraction and serving all call it, so that they cannot drift apart. Scaling is
antialiased bilinear. What a network was trained with is stored in its archive as `to_json`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any, Literal, Self, get_args

import numpy as np

from tintype.datasets.images import MAX_PIXELS, decode
from tintype.datasets.scaling import resized
from tintype.errors import InvalidRequest

Resize = Literal["crop", "stretch"]
MAX_SIZE = 4096
LARGEST = 1e30          # of a mean or a deviation: float32 can hold it


@dataclass(frozen=True)
class Preprocessing:
    """How a picture becomes a (`size`, `size`) square, and how its values are centred.

    `resize`: "crop" scales the shorter side to `size` and keeps the centre; "stretch" scales both sides.
    `mean` and `std` are per channel (red, green, blue) in units of 0 to 1.
    """

    size: int
    resize: Resize = "crop"
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)

    def __post_init__(self) -> None:
        if isinstance(self.size, bool) or not isinstance(self.size, int) or not 1 <= self.size <= MAX_SIZE:
            raise InvalidRequest(f"size must be a whole number of pixels from 1 to {MAX_SIZE}, got {self.size!r}")
        if self.resize not in get_args(Resize):
            raise InvalidRequest(f"resize must be one of {', '.join(get_args(Resize))}, got {self.resize!r}")
        for name, values in (("mean", self.mean), ("std", self.std)):
            if len(values) != 3 or not all(isinstance(one, (int, float)) and abs(one) < LARGEST for one in values):
                raise InvalidRequest(f"{name} must be three numbers (red, green, blue), got {str(values)[:200]}")
        if min(self.std) <= 0:
            raise InvalidRequest(f"std must be above zero, got {self.std!r}")
        if not (np.isfinite(self.levels).all() and (self.levels[:, 1:] > self.levels[:, :-1]).all()):
            raise InvalidRequest(f"no pixels can be told apart with mean {self.mean!r} and std {self.std!r}")

    def apply(self, rgb: np.ndarray) -> np.ndarray:
        """Scale uint8 (h, w, 3) to uint8 (size, size, 3)."""
        return resized(centre_square(rgb) if self.resize == "crop" else rgb, self.size)

    def decode(self, content: bytes, max_pixels: int = MAX_PIXELS) -> np.ndarray:
        """The encoded picture as uint8 (size, size, 3). Raises what `images.decode` raises."""
        return self.apply(decode(content, minimum_side=self.size, max_pixels=max_pixels).rgb)

    @cached_property
    def levels(self) -> np.ndarray:
        """float32 (3, 256): what each level of each channel becomes, (level / 255 - mean) / std."""
        shares = np.arange(256, dtype=np.float64) / 255
        with np.errstate(over="ignore", invalid="ignore"):      # of absurd deviations, which are refused for that
            return ((shares - np.array(self.mean)[:, None]) / np.array(self.std)[:, None]).astype(np.float32)

    def normalise(self, batch: np.ndarray) -> np.ndarray:
        """uint8 (n, size, size, 3) to float32 (n, 3, size, size), contiguous, as `levels` says."""
        count, height, width, _ = batch.shape
        out = np.empty((count, 3, height, width), np.float32)
        self.put_normalised(batch, out)
        return out

    def put_normalised(self, rgb: np.ndarray, out: np.ndarray) -> None:
        """The same of one picture or of a batch, uint8 (..., h, w, 3), into float32 (..., 3, h, w)."""
        for channel in range(3):
            np.take(self.levels[channel], rgb[..., channel], out=out[..., channel, :, :], mode="clip")

    def to_json(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {**asdict(self), "mean": list(self.mean), "std": list(self.std)}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        """What `to_json` wrote. `InvalidRequest` names the field that is unknown, missing or wrong."""
        unlike = sorted(set(document) ^ {"size", "resize", "mean", "std"})
        if unlike:
            raise InvalidRequest(f"preprocessing is size, resize, mean, std; unknown or missing: {', '.join(unlike)}")
        mean, std = document["mean"], document["std"]
        if not isinstance(mean, (list, tuple)) or not isinstance(std, (list, tuple)):
            raise InvalidRequest(f"mean and std must be lists of three numbers, got {mean!r} and {std!r}")
        return cls(document["size"], document["resize"], tuple(mean), tuple(std))      # pyright: ignore[reportArgumentType]


def centre_square(rgb: np.ndarray) -> np.ndarray:
    """The largest centred square of (h, w, 3), as a view."""
    height, width = rgb.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return rgb[top : top + side, left : left + side]
