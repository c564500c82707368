"""Pillow's block cache is on while it is needed, and then as the program had it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from PIL import Image

from tintype.datasets.pillow_memory import kept_blocks


@pytest.fixture(autouse=True, params=[0, 3])
def before(request: pytest.FixtureRequest) -> Iterator[int]:
    found = Image.core.get_blocks_max()
    Image.core.set_blocks_max(request.param)
    yield request.param
    Image.core.set_blocks_max(found)


def test_it_is_as_before_afterwards(before: int) -> None:
    with kept_blocks(8):
        assert Image.core.get_blocks_max() == 8
        Image.new("RGB", (100, 100))
    assert Image.core.get_blocks_max() == before


def test_users_that_overlap_in_any_order(before: int) -> None:
    first, second = kept_blocks(4), kept_blocks(8)
    first.__enter__()
    second.__enter__()
    assert Image.core.get_blocks_max() == 8
    first.__exit__(None, None, None)
    assert Image.core.get_blocks_max() == 8
    second.__exit__(None, None, None)
    assert Image.core.get_blocks_max() == before
    assert Image.core.get_stats()["blocks_cached"] == 0 or before
