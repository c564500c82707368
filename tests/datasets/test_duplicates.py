"""Pictures that are the same or nearly, and those that only resemble each other."""

from __future__ import annotations

import io
import itertools
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageEnhance

from tintype.datasets.duplicates import DISTANCE, are_blank, exact, grey_of, looks_of, near
from tintype.datasets.images import decode


def picture(seed: int, width: int = 320, height: int = 240) -> Image.Image:
    """Smooth blobs and an edge: as much structure at low frequencies as a photograph has."""
    random = np.random.default_rng(seed)
    coarse = Image.fromarray(random.integers(0, 256, (7, 9, 3), dtype=np.uint8))
    smooth = coarse.resize((width, height), Image.Resampling.BICUBIC)
    edge = (width // 3, 0, width // 3 + width // 8, int(height * random.random()))
    smooth.paste(tuple(random.integers(0, 256, 3).tolist()), edge)
    return smooth


def looks(*pictures: Image.Image) -> tuple[np.ndarray, np.ndarray]:
    return looks_of(np.stack([grey_of(np.asarray(one.convert("RGB"))) for one in pictures]))


def groups(*pictures: Image.Image) -> list[list[int]]:
    found = near(*looks(*pictures), np.zeros(len(pictures), np.int32))
    return [group.tolist() for group in found]


def jpeg(image: Image.Image, quality: int) -> Image.Image:
    stream = io.BytesIO()
    image.convert("RGB").save(stream, "JPEG", quality=quality)
    return Image.open(stream)


CHANGES: dict[str, Callable[[Image.Image], Image.Image]] = {
    "JPEG at quality 60": lambda image: jpeg(image, 60),
    "half the size": lambda image: image.resize((image.width // 2, image.height // 2), Image.Resampling.BICUBIC),
    "stretched to a square": lambda image: image.resize((224, 224), Image.Resampling.BICUBIC),
    "brighter": lambda image: ImageEnhance.Brightness(image).enhance(1.1),
    "grey": lambda image: image.convert("L"),
}


def test_exact_groups() -> None:
    digests = np.array([5, 7, 5, 9, 7, 5], np.uint64)
    assert [group.tolist() for group in exact(digests)] == [[0, 2, 5], [1, 4]]
    assert exact(np.zeros(0, np.uint64)) == []


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_changed_copy_is_found(change: Callable[[Image.Image], Image.Image]) -> None:
    originals = [picture(seed) for seed in range(10)]
    copies = [change(one) for one in originals]
    assert groups(*originals, *copies) == [[number, number + 10] for number in range(10)]


def test_different_pictures_are_not() -> None:
    assert groups(*(picture(seed, 64, 48) for seed in range(300))) == []


def test_a_chain_of_copies_is_one_group() -> None:
    chain = [picture(1), jpeg(picture(1), 70), picture(1).convert("L"), picture(2)]
    assert groups(*chain) == [[0, 1, 2]]


def test_what_is_ordinary_in_a_class_is_no_copy() -> None:
    """Scanned digits: each "1" correlates with each other as copies of photographs do. A real copy stands out."""
    random = np.random.default_rng(0)
    base = random.uniform(60, 190, (16, 16))
    thumbnails = np.rint(base + random.normal(0, 7, (90, 16, 16))).astype(np.uint8)
    thumbnails = np.concatenate([thumbnails, thumbnails[50:51]])
    hashes, labels = np.zeros(91, np.uint64), np.zeros(91, np.int32)
    assert [group.tolist() for group in near(hashes, thumbnails, labels)] == [[50, 90]]
    few = slice(60)                                     # too few to know what is ordinary
    assert [len(group) for group in near(hashes[few], thumbnails[few], labels[few])] == [60]


def test_blank_pictures() -> None:
    pictures = [Image.new("RGB", (64, 64), colour) for colour in ("white", "black", (10, 200, 30))]
    assert are_blank(looks(*pictures, picture(1))[1]).tolist() == [True, True, True, False]


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32), st.integers(2, 120))
def test_the_bands_find_what_comparing_all_pairs_finds(seed: int, count: int) -> None:
    random = np.random.default_rng(seed)
    bases = random.integers(0, 2**63, 5, dtype=np.uint64)
    hashes = bases[random.integers(0, 5, count)]
    for _ in range(DISTANCE):
        hashes = hashes ^ (np.uint64(1) << random.integers(0, 64, count).astype(np.uint64))
    thumbnails = np.broadcast_to(np.arange(256, dtype=np.uint8).reshape(16, 16), (count, 16, 16))     # all agree
    roots = list(range(count))
    for one, other in itertools.combinations(range(count), 2):
        if (int(hashes[one]) ^ int(hashes[other])).bit_count() <= DISTANCE and roots[one] != roots[other]:
            low, high = sorted((roots[one], roots[other]))
            roots = [low if root == high else root for root in roots]
    expected = {tuple(i for i in range(count) if roots[i] == root) for root in roots}
    found = near(hashes, thumbnails, np.zeros(count, np.int32))
    assert {tuple(group.tolist()) for group in found} == {group for group in expected if len(group) > 1}


def test_memory_grows_with_pictures_not_with_pairs() -> None:
    count = 3_000                                       # frames of a film: four and a half million pairs
    random = np.random.default_rng(0)
    hashes = np.uint64(0x0F0F_1234_5678_9ABC) ^ (np.uint64(1) << random.integers(0, 64, count).astype(np.uint64))
    thumbnails = np.tile(np.arange(256, dtype=np.uint8).reshape(16, 16), (count, 1, 1))
    labels = np.zeros(count, np.int32)
    tracemalloc.start()
    found = near(hashes, thumbnails, labels)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert [len(group) for group in found] == [count]
    assert peak < 30e6


def test_real_photographs(shared_data: Callable[[str], Path]) -> None:
    files = sorted((shared_data("hymenoptera") / "val/ants").glob("*.jpg"))[:40]
    photos = [Image.fromarray(decode(file.read_bytes(), minimum_side=64).rgb) for file in files]
    assert groups(*photos) == []
    again = [jpeg(Image.open(file).resize((256, 256)), 60) for file in files[:10]]
    assert groups(*photos, *again) == [[number, number + 40] for number in range(10)]
