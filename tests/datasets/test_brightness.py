"""Pictures by tenth of brightness."""

from __future__ import annotations

import numpy as np
import pytest

from tintype.datasets.brightness import brightness, brightness_bin, brightness_counts


def test_brightness_is_binned() -> None:
    assert [brightness_bin(one) for one in (-1, 0, 0.05, 0.1, 0.99, 1.0, 7)] == [
        "0.0-0.1", "0.0-0.1", "0.0-0.1", "0.1-0.2", "0.9-1.0", "0.9-1.0", "0.9-1.0",
    ]  # fmt: skip


def test_brightness_is_the_mean_of_all_values() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (30, 50, 3), dtype=np.uint8)
    assert brightness(picture) == pytest.approx(picture.mean() / 255)
    assert brightness(np.full((4096, 4096, 3), 255, np.uint8)) == 1.0       # nothing overflows


def test_counts() -> None:
    images = np.repeat(np.array([0, 128, 129, 255], np.uint8), 4 * 4 * 3).reshape(4, 4, 4, 3)
    assert brightness_counts(images, np.array([3, 1, 2])) == {"0.9-1.0": 1, "0.5-0.6": 2}
