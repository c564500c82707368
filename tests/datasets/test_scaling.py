"""Scaling: SIMD and Pillow give the same picture."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from tintype.datasets import scaling
from tintype.datasets.scaling import REDUCED, by_pillow, resized

needs_simd = pytest.mark.skipif(scaling.by_simd is None, reason="no SIMD library for this processor; Pillow scales")


def noise(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


@needs_simd
@given(height=st.integers(1, 300), width=st.integers(1, 300), side=st.integers(1, 120))
@settings(max_examples=150, deadline=None)
def test_simd_is_within_one_level_of_pillow(height: int, width: int, side: int) -> None:
    assert scaling.by_simd is not None
    picture = noise(height, width)
    exact = Image.fromarray(picture).resize((side, side), Image.Resampling.BILINEAR)
    assert abs(scaling.by_simd(picture, side).astype(int) - np.asarray(exact)).max() <= 1


def test_simd_is_chosen_where_little_is_taken_away(monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = []
    monkeypatch.setattr(scaling, "by_simd", lambda *_: chosen.append("simd"))
    monkeypatch.setattr(scaling, "by_pillow", lambda *_: chosen.append("pillow"))
    for width in (11, round(10 * REDUCED) - 1, round(10 * REDUCED), 2000):
        resized(noise(10, width), 10)
    assert chosen == ["simd", "simd", "pillow", "pillow"]


def test_without_simd_pillow_does_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scaling, "by_simd", None)
    picture = noise(30, 40)
    assert (resized(picture, 16) == by_pillow(picture, 16)).all()


def test_where_pillow_takes_over_nothing_jumps() -> None:
    picture = noise(60, 60)
    alike = abs(resized(picture, 10).astype(int) - by_pillow(picture, 10))      # just reduced
    nearly = abs(resized(picture[:59, :59], 10).astype(int) - by_pillow(picture[:59, :59], 10))
    assert alike.max() == 0
    assert nearly.max() <= 1


def test_views_and_read_only_pictures_are_taken_as_they_are() -> None:
    picture = noise(50, 80)
    part = picture[5:45:1, 10:70]
    part.flags.writeable = False
    assert (resized(part, 24) == resized(part.copy(), 24)).all()
    assert (resized(part[::-1], 24) == resized(np.ascontiguousarray(part[::-1]), 24)).all()


def test_a_picture_of_the_right_size_is_given_back() -> None:
    picture = noise(24, 24)
    assert (resized(picture, 24) == picture).all()
