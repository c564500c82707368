"""What a request asks about, once its wrapping is off: encoded pictures, bare pixels, or finished tensors.

An array says by its type and shape what it is. Whole numbers are pixels with the channels last, as Pillow gives them;
floating-point numbers are tensors with the channels first, already scaled and normalised, as torchvision's
transforms give them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from tintype.errors import InvalidRequest

EXPECTED = (
    "send uint8 pixels as (height, width, 3) or (n, height, width, 3), "
    "or normalised float32 tensors as (3, height, width) or (n, 3, height, width)"
)


@final
@dataclass(frozen=True)
class EncodedImage:
    """One picture as a JPEG, PNG, WebP, GIF, BMP or TIFF file; which one is told from the content."""

    content: bytes


@final
@dataclass(frozen=True, eq=False)
class Pixels:
    """Decoded pictures of one size."""

    rgb: np.ndarray         # uint8 (n, height, width, 3)


@final
@dataclass(frozen=True, eq=False)
class Tensors:
    """What the network is fed, made by the caller: preprocessed and normalised."""

    values: np.ndarray      # float32 (n, 3, height, width), finite


@final
@dataclass(frozen=True)
class ImageUrl:
    """One picture that is elsewhere. Whoever has these decides whether it may be fetched."""

    url: str


Input = EncodedImage | Pixels | Tensors | ImageUrl


def count(inputs: tuple[Input, ...]) -> int:
    """How many pictures there are in all."""
    return sum(map(_count, inputs))


def _count(one: Input) -> int:
    match one:
        case EncodedImage() | ImageUrl():
            return 1
        case Pixels(rgb=batch) | Tensors(values=batch):
            return len(batch)


def from_array(array: np.ndarray) -> Input:
    """The pictures that an array holds. `InvalidRequest` names its shape or type when it holds none."""
    match array.dtype.kind:
        case "S" if array.size == 1:
            return EncodedImage(array.tobytes())        # a file's bytes that went through SageMaker's NumpySerializer
        case "u" | "i":
            return _pixels(array)
        case "f":
            return _tensors(array)
        case _:
            raise InvalidRequest(f"an array of type {array.dtype} holds no pictures; {EXPECTED}")


def _pixels(array: np.ndarray) -> Pixels:
    batch = array[None] if array.ndim == 3 else array
    if batch.ndim != 4 or batch.shape[-1] != 3 or 0 in batch.shape:
        raise InvalidRequest(f"an array of whole numbers of shape {array.shape} is not understood; {EXPECTED}")
    if batch.dtype != np.uint8 and (batch.min() < 0 or batch.max() > 255):
        raise InvalidRequest(f"pixels go from 0 to 255; these go from {batch.min()} to {batch.max()}")
    return Pixels(np.ascontiguousarray(batch, np.uint8))


def _tensors(array: np.ndarray) -> Tensors:
    batch = array[None] if array.ndim == 3 else array
    if batch.ndim != 4 or batch.shape[1] != 3 or 0 in batch.shape:
        raise InvalidRequest(f"a floating-point array of shape {array.shape} is not understood; {EXPECTED}")
    with np.errstate(over="ignore"):                    # what overflows becomes infinite and is refused next
        values = np.ascontiguousarray(batch, np.float32)
    if not np.isfinite(values).all():
        raise InvalidRequest("the tensor has NaN or infinite values; send finite numbers")
    return Tensors(values)
