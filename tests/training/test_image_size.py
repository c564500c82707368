from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tintype.datasets.folder import open_dataset
from tintype.training.image_size import HEADER_BYTES, automatic_size, source_side, typical_side


@pytest.mark.parametrize(
    ("typical", "pretrained", "strided", "size"),
    [
        (8, False, False, 8),           # scanned digits
        (28, False, False, 28),
        (32, False, False, 32),
        (50, False, False, 48),
        (128, False, False, 128),
        (500, False, False, 128),
        (500, True, True, 224),
        (150, True, True, 144),
        (32, True, True, 64),           # the zoo sees next to nothing in 32 pixels
        (32, False, True, 64),
        (2, False, False, 8),
    ],
)
def test_the_size_fits_images_network_and_purse(typical: int, pretrained: bool, strided: bool, size: int) -> None:
    assert automatic_size(typical, pretrained=pretrained, strided=strided) == size


@pytest.mark.parametrize(
    ("size", "typical", "side"), [(224, 500, 280), (128, 140, 140), (128, 128, 128), (32, 32, 32), (64, 32, 64)]
)
def test_crops_are_cut_from_what_the_pictures_have(size: int, typical: int, side: int) -> None:
    assert source_side(size, typical) == side


def test_the_typical_side_is_the_median_of_the_shorter_ones(tmp_path: Path) -> None:
    for number, shape in enumerate([(40, 30), (50, 60), (20, 90), (70, 70), (35, 200)]):
        for name in ("train/a", "train/b", "valid/a", "valid/b"):
            folder = tmp_path / "photos" / name
            folder.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", shape).save(folder / f"{number}.png")
    (tmp_path / "photos" / "train" / "a" / "bad.png").write_bytes(b"no picture")
    assert typical_side(open_dataset(tmp_path / "photos", workdir=tmp_path / "work")) == 35


@pytest.mark.parametrize("form", ["JPEG", "PNG", "TIFF", "WEBP"])
def test_large_files_count_too(tmp_path: Path, form: str) -> None:
    noise = np.random.default_rng(1).integers(0, 256, (400, 600, 3), dtype=np.uint8)
    for number, name in enumerate(("train/a", "train/b", "valid/a", "valid/b")):
        folder = tmp_path / "photos" / name
        folder.mkdir(parents=True)
        Image.fromarray(noise).save(folder / f"{number}.{form.lower()}", form, quality=100)
        assert (folder / f"{number}.{form.lower()}").stat().st_size > HEADER_BYTES
    assert typical_side(open_dataset(tmp_path / "photos", workdir=tmp_path / "work")) == 400
