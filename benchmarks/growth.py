"""From 3,000 to 60,000 images, and from one decoding worker to four: time per image and peak memory.

    python -m benchmarks growth

Uses cifar10.zip beside the repository: 60,000 JPEGs of 32 pixels. Each figure is one child process.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
import zipfile
from pathlib import Path

import numpy as np

from benchmarks.measuring import MIB, SHARED, measure, table
from tintype.datasets import image_cache
from tintype.datasets.batches import batches, epoch_order
from tintype.datasets.folder import open_dataset
from tintype.datasets.image_cache import View
from tintype.datasets.transforms import Preprocessing

COUNTS = (3_000, 15_000, 60_000)
WORKERS = (1, 2, 4)


def unpack(count: int, folder: Path) -> None:
    """An even share of every class of the archive's training and test images."""
    with zipfile.ZipFile(SHARED / "cifar10.zip") as bundle:
        names = [name for name in bundle.namelist() if name.endswith((".jpg", ".jpeg", ".png"))]
        for name in names[:: len(names) // count][:count]:
            bundle.extract(name, folder)


def one(folder: Path, workers: int) -> dict[str, float]:
    """Index, cache and one epoch of batches, each timed."""
    with tempfile.TemporaryDirectory() as scratch:
        began = time.perf_counter()
        dataset = open_dataset(folder, workdir=Path(scratch))
        indexed = time.perf_counter()
        view = View.evaluation(Preprocessing(size=32, resize="crop", mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25)))
        indices = np.arange(len(dataset))
        at = Path(scratch) / "cache"
        cache = image_cache.build(dataset, indices, view, directory=at, limit_bytes=10**11, workers=workers)
        cached = time.perf_counter()
        for rows in batches(epoch_order(len(cache.ok), seed=0, epoch=0), 128, drop_last=False):
            cache.images[rows]
        ended = time.perf_counter()
    return {"images": len(dataset), "index": indexed - began, "cache": cached - indexed, "epoch": ended - cached}


def main(arguments: list[str]) -> None:
    """Run it and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--one", type=Path, help="measure one folder, for the child process")
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args(arguments)
    if options.one:
        print(json.dumps(one(options.one, options.workers)))
        return
    rows = []
    with tempfile.TemporaryDirectory() as scratch:
        for count in COUNTS:
            folder = Path(scratch) / str(count)
            unpack(count, folder)
            for workers in WORKERS if count == COUNTS[-1] else (2,):
                words = ["growth", "--one", folder, "--workers", str(workers)]
                run = measure([sys.executable, "-m", "benchmarks", *words], memory=True)
                figures = json.loads(run.output)
                micro = [f"{1e6 * figures[stage] / figures['images']:.1f}" for stage in ("index", "cache", "epoch")]
                rows.append((f"{figures['images']:,}", workers, *micro, f"{run.peak_bytes / MIB:.0f}"))
    header = ("images", "workers", "index, µs/image", "cache, µs/image", "epoch, µs/image", "peak memory, MiB")
    table("Growth: CIFAR-10's JPEGs", header, rows)


if __name__ == "__main__":
    main(sys.argv[1:])
