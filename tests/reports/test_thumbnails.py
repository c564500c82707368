from __future__ import annotations

import base64
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tintype.reports import thumbnails
from tintype.reports.thumbnails import Thumbnails


def save(path: Path, width: int, height: int, **options: object) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    Image.fromarray(noise).save(path, **options)  # pyright: ignore[reportArgumentType]


def opened(uri: str) -> Image.Image:
    header, content = uri.split(",", 1)
    assert header == "data:image/jpeg;base64"
    return Image.open(io.BytesIO(base64.b64decode(content)))


def test_squares_and_whole_pictures(tmp_path: Path) -> None:
    save(tmp_path / "wide.jpg", 400, 200)
    made = Thumbnails(tmp_path, 10**8)
    square, whole = made.make("wide.jpg", 100, "square"), made.make("wide.jpg", 100, "whole")
    assert square is not None
    assert whole is not None
    assert opened(square.uri).size == (square.width, square.height) == (100, 100)
    assert opened(whole.uri).size == (whole.width, whole.height) == (100, 50)
    assert len(square.uri) < 15_000                         # noise is the worst there is


def test_small_images_are_not_blown_up(tmp_path: Path) -> None:
    save(tmp_path / "tiny.png", 9, 7)
    made = Thumbnails(tmp_path, 10**8)
    square, whole = made.make("tiny.png", 128, "square"), made.make("tiny.png", 128, "whole")
    assert square is not None
    assert whole is not None
    assert (square.width, square.height, whole.width, whole.height) == (7, 7, 9, 7)


def test_where_a_photograph_was_taken_is_not_passed_on(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x010E] = "my secret garden"
    save(tmp_path / "a.jpg", 64, 64, exif=exif)
    picture = Thumbnails(tmp_path, 10**8).make("a.jpg", 64, "square")
    assert picture is not None
    assert not opened(picture.uri).getexif()
    assert b"secret" not in base64.b64decode(picture.uri.split(",")[1])


def test_what_cannot_be_shown_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "text.jpg").write_text("not an image")
    save(tmp_path / "good.jpg", 64, 64)
    (tmp_path / "half.jpg").write_bytes((tmp_path / "good.jpg").read_bytes()[:400])
    (tmp_path / "folder.jpg").mkdir()
    made = Thumbnails(tmp_path, 10**8)
    assert [made.make(name, 32, "square") for name in ("text.jpg", "half.jpg", "folder.jpg", "gone.jpg")] == [None] * 4
    assert Thumbnails(tmp_path, 100).make("good.jpg", 32, "square") is None         # over the pixel limit
    monkeypatch.setattr(thumbnails, "LARGEST_FILE_BYTES", 10)
    assert made.make("good.jpg", 32, "square") is None
