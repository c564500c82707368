"""From JPEG files to batches: the first epoch and the later ones, against PIL's Resize + ToTensor on one core.

    python -m benchmarks decoding [--runs 5]

The first epoch builds the image cache; later ones gather batches from it in a shuffled order. Both are given as uint8
batches, as training takes them, and as normalised float32 batches, which is what the peer makes.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image
from torchvision import transforms

from benchmarks.measuring import SHARED, ratio, table
from tintype.datasets import image_cache
from tintype.datasets.batches import batches, epoch_order
from tintype.datasets.dataset import Dataset
from tintype.datasets.folder import open_dataset
from tintype.datasets.image_cache import ImageCache, View
from tintype.datasets.transforms import Preprocessing

SIZE, BATCH = 224, 32
PREPROCESSING = Preprocessing(size=SIZE, resize="stretch", mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))


def timed(action: Callable[[], int]) -> float:
    """Images per second of an action that returns how many images it made."""
    began = time.perf_counter()
    count = action()
    return count / (time.perf_counter() - began)


def peer(files: list[Path]) -> int:
    """What a torchvision data set does for every image in every epoch."""
    steps = transforms.Compose([transforms.Resize((SIZE, SIZE)), transforms.ToTensor()])
    for file in files:
        steps(Image.open(file).convert("RGB"))
    return len(files)


def build(dataset: Dataset, directory: Path) -> ImageCache:
    """The first epoch's decoding."""
    indices = dataset.indices("train")
    return image_cache.build(
        dataset, indices, View.evaluation(PREPROCESSING), directory=directory, limit_bytes=10**10
    )


def gather(cache: ImageCache, epoch: int, *, as_float: bool) -> int:
    """One epoch of shuffled batches."""
    rows = np.flatnonzero(cache.ok)
    count = 0
    for picked in batches(epoch_order(len(rows), seed=0, epoch=epoch), BATCH, drop_last=False):
        images = cache.images[rows[picked]]
        if as_float:
            images = PREPROCESSING.normalise(images)
        count += len(images)
    return count


def main(arguments: list[str]) -> None:
    """Run it and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args(arguments)
    peers, first, later, later_float = [], [], [], []
    with tempfile.TemporaryDirectory() as scratch:
        dataset = open_dataset(SHARED / "hymenoptera", workdir=Path(scratch))
        files = [dataset.file(int(i)) for i in dataset.indices("train") if dataset.paths[int(i)].endswith("jpg")]
        for run in range(options.runs):
            folder = Path(scratch) / f"cache-{run}"
            peers.append(timed(lambda: peer(files)))
            first.append(timed(lambda at=folder: gather(build(dataset, at), 0, as_float=False)))
            cache = build(dataset, folder)
            later.append(timed(lambda one=cache: sum(gather(one, epoch, as_float=False) for epoch in range(5))))
            later_float.append(timed(lambda one=cache: sum(gather(one, epoch, as_float=True) for epoch in range(5))))
    rows = [
        (name, f"{statistics.median(figures):,.0f}/s", ratio(figures, peers))
        for name, figures in (
            ("PIL Resize + ToTensor, one core", peers),
            ("first epoch (decode, cache, gather)", first),
            ("later epochs, uint8 batches", later),
            ("later epochs, normalised float32 batches", later_float),
        )
    ]
    table("From JPEG to batches, hymenoptera at 224 px", ("", "images", "against PIL"), rows)


if __name__ == "__main__":
    main(sys.argv[1:])
