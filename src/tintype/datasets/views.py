"""What the image cache keeps of a picture: one square array of fixed size."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from tintype.datasets.images import decode
from tintype.datasets.transforms import Preprocessing, Resize


@dataclass(frozen=True)
class View:
    """Make one with `View.evaluation` or `View.source`. Views that are equal hold equal pixels."""

    size: int
    resize: Resize

    @classmethod
    def evaluation(cls, preprocessing: Preprocessing) -> Self:
        """Exactly what `preprocessing.decode` gives."""
        return cls(preprocessing.size, preprocessing.resize)

    @classmethod
    def source(cls, side: int) -> Self:
        """The whole picture stretched to (side, side), for random crops in training.

        A crop box is drawn in the picture's own geometry (its aspect ratio is kept beside the array) and mapped onto
        the square, so that what comes out is not distorted.
        """
        return cls(side, "stretch")

    @property
    def shape(self) -> tuple[int, int, int]:
        """The shape of the array: (size, size, 3)."""
        return self.size, self.size, 3

    @property
    def name(self) -> str:
        """For people, and part of the key: "224 px crop"."""
        return f"{self.size} px {self.resize}"

    def render(self, content: bytes, max_pixels: int) -> tuple[NDArray[np.uint8], float]:
        """The array of an encoded picture, uint8 `shape`, and the picture's width / height, upright.

        Raises what `images.decode` raises.
        """
        decoded = decode(content, minimum_side=self.size, max_pixels=max_pixels)
        width, height = decoded.size
        return Preprocessing(self.size, self.resize).apply(decoded.rgb), width / height
