from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image, ImageEnhance, ImageOps

from tintype.training.randaugment import LAYERS, OPERATIONS, Operation, randaugment

GEOMETRIC = {"rotate", "shear-x", "shear-y", "shift-x", "shift-y"}


def photographs(count: int = 3, side: int = 32) -> torch.Tensor:
    """float32 (n, 3, side, side) of 0..255, smooth with some noise."""
    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand(count, 3, 4, 4, generator=generator) * 200
    smooth = torch.nn.functional.interpolate(coarse, size=(side, side), mode="bilinear")
    return (smooth + 55 * torch.rand(smooth.shape, generator=generator)).round()


def strength(value: float, count: int = 3) -> torch.Tensor:
    return torch.full((count, 1, 1, 1), value)


def as_pil(image: torch.Tensor) -> Image.Image:
    return Image.fromarray(image.permute(1, 2, 0).to(torch.uint8).numpy())


@pytest.mark.parametrize("name", OPERATIONS)
@pytest.mark.parametrize("value", [-1.0, -0.3, 0.0, 0.3, 1.0])
def test_pictures_stay_pictures(name: str, value: float) -> None:
    images = photographs()
    found = OPERATIONS[name](images.clone(), strength(value))
    assert found.shape == images.shape
    assert found.dtype is torch.float32
    assert float(found.min()) >= -1e-3
    assert float(found.max()) <= 255 + 1e-3


@pytest.mark.parametrize("name", sorted(set(OPERATIONS) - {"autocontrast", "equalise", "identity"}))
def test_no_strength_changes_little_and_full_strength_much(name: str) -> None:
    images = photographs()
    weak = (OPERATIONS[name](images.clone(), strength(0.0)) - images).abs().mean()
    strong = (OPERATIONS[name](images.clone(), strength(1.0)) - images).abs().mean()
    assert float(weak) < 1.0
    assert float(strong) > 2.0


@pytest.mark.parametrize(
    ("name", "value", "reference"),
    [
        ("brightness", 0.5, lambda image: ImageEnhance.Brightness(image).enhance(1.45)),
        ("contrast", -0.5, lambda image: ImageEnhance.Contrast(image).enhance(0.55)),
        ("colour", 0.5, lambda image: ImageEnhance.Color(image).enhance(1.45)),
        ("posterise", 1.0, lambda image: ImageOps.posterize(image, 4)),
        ("solarise", 0.5, lambda image: ImageOps.solarize(image, 128)),
        ("autocontrast", 0.0, ImageOps.autocontrast),
        ("equalise", 0.0, ImageOps.equalize),
    ],
)
def test_colours_are_what_pillow_makes_of_them(name: str, value: float, reference: Operation) -> None:
    images = photographs()
    found = OPERATIONS[name](images.clone(), strength(value))
    for ours, image in zip(found, images, strict=True):
        expected = torch.from_numpy(np.array(reference(as_pil(image)), dtype=np.float32)).permute(2, 0, 1)   # pyright: ignore
        assert float((ours - expected).abs().mean()) < 2.0


def test_directions() -> None:
    images = photographs()
    right = OPERATIONS["shift-x"](images.clone(), strength(-1.0))
    by = round(0.3 * 32)
    assert torch.allclose(right[..., by + 1 :], images[..., 1 : 32 - by], atol=60)
    quarter = OPERATIONS["rotate"](images.clone(), strength(1.0))
    back = OPERATIONS["rotate"](quarter, strength(-1.0))
    middle = (slice(None), slice(None), slice(12, 20), slice(12, 20))
    assert float((back - images)[middle].abs().mean()) < float((quarter - images)[middle].abs().mean())


def test_each_image_gets_its_own_operations() -> None:
    names = list(OPERATIONS)
    images = photographs()
    operations = np.array([[names.index("solarise"), 0], [0, 0], [names.index("brightness"), names.index("posterise")]])
    signs = np.ones((3, LAYERS), np.float32)
    found = randaugment(images.clone(), operations, signs, magnitude=15.0)
    assert torch.equal(found[1], images[1])
    assert torch.equal(found[0], OPERATIONS["solarise"](images[:1], strength(0.5, 1))[0])
    brighter = OPERATIONS["brightness"](images[2:], strength(0.5, 1))
    assert torch.equal(found[2], OPERATIONS["posterise"](brighter, strength(0.5, 1))[0])
