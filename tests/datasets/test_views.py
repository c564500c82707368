"""What is cached of a picture."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from tintype.datasets.transforms import Preprocessing
from tintype.datasets.views import View
from tintype.errors import BadImage, TooLarge


def jpeg(width: int, height: int, orientation: int = 1) -> bytes:
    stream, exif = io.BytesIO(), Image.Exif()
    exif[0x0112] = orientation
    noise = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    Image.fromarray(noise).save(stream, "JPEG", exif=exif)
    return stream.getvalue()


@pytest.mark.parametrize("resize", ["crop", "stretch"])
def test_an_evaluation_view_is_what_serving_decodes(resize: str) -> None:
    preprocessing = Preprocessing.from_json({**Preprocessing(33).to_json(), "resize": resize})
    content = jpeg(200, 120)
    pixels, aspect = View.evaluation(preprocessing).render(content, 10**6)
    assert (pixels == preprocessing.decode(content)).all()
    assert aspect == 200 / 120


def test_a_source_view_is_the_whole_picture_stretched() -> None:
    pixels, aspect = View.source(40).render(jpeg(200, 100, orientation=6), 10**6)
    assert pixels.shape == View.source(40).shape == (40, 40, 3)
    assert aspect == 0.5                                # as seen, not as stored


def test_equal_pixels_are_equal_views() -> None:
    assert View.source(64) == View.evaluation(Preprocessing(64, "stretch", (0, 0, 0), (1, 1, 1)))
    assert View.source(64) != View.evaluation(Preprocessing(64))
    assert View.source(64).name == "64 px stretch"


def test_errors_come_through() -> None:
    with pytest.raises(BadImage):
        View.source(8).render(b"text", 100)
    with pytest.raises(TooLarge):
        View.source(8).render(jpeg(20, 20), 100)
