"""Every file of a data set read once: what it is, what is wrong with it, and what it looks like.

Files are decoded by threads: libjpeg and zlib let others run meanwhile, and what is learnt of a file goes straight into
its row of a few arrays, about 310 bytes per file. A damaged picture shows only when it is decoded to its end, so that
is what happens here, at reduced scale where the format allows.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import IntFlag, auto
from typing import final

import numpy as np
from numpy.typing import NDArray

from tintype.datasets.dataset import MISSING_SIZE, Dataset
from tintype.datasets.duplicates import GREY_SIDE, THUMBNAIL_SIDE, are_blank, grey_of, looks_of
from tintype.datasets.images import FORMATS, Header, decode, probe, read_image_file
from tintype.errors import InvalidRequest, TooLarge

DECODED_SIDE = 64                  # enough for the thumbnail, and an eighth of most photographs
CHUNK = 32                         # files that a thread takes at once

Progress = Callable[[int, int], None]

# how the message of a `BadImage` begins -> the kind of problem
FAULTS = {"empty": "empty-file", "not an image": "not-an-image", "truncated": "truncated"}

FORMAT_OF_SUFFIX = {
    ".jpg": "JPEG", ".jpeg": "JPEG", ".jpe": "JPEG", ".jfif": "JPEG", ".png": "PNG", ".webp": "WEBP", ".gif": "GIF",
    ".bmp": "BMP", ".dib": "BMP", ".tif": "TIFF", ".tiff": "TIFF",
}  # fmt: skip


class Trait(IntFlag):
    """What is special about a file that can be read. The names are kinds of problem, with a dash for `_`."""

    ROTATED = auto()
    CMYK = auto()
    SIXTEEN_BIT = auto()
    ALPHA = auto()
    ANIMATED = auto()
    ODD_EXTENSION = auto()
    BLANK = auto()


@dataclass(frozen=True)
class Fault:
    """Why a file cannot be used."""

    kind: str                      # a name in `problems.KINDS`
    reason: str                    # one sentence


@final
@dataclass(frozen=True, eq=False)
class Inspection:
    """What is known of n files; the arrays are parallel to those of the data set."""

    digests: NDArray[np.uint64]    # (n,) the first 64 bits of the SHA-256 of the content
    hashes: NDArray[np.uint64]     # (n,) perceptual, see `duplicates`
    thumbnails: NDArray[np.uint8]  # (n, 16, 16) grey
    widths: NDArray[np.int32]      # (n,) pixels, upright; 0 when the header cannot be read
    heights: NDArray[np.int32]     # (n,)
    formats: NDArray[np.int8]      # (n,) positions in FORMATS, or -1
    traits: NDArray[np.uint8]      # (n,) of Trait
    readable: NDArray[np.bool_]    # (n,) decoded to the end
    faults: dict[int, Fault] = field(default_factory=dict)      # position -> why it is not readable

    @classmethod
    def blank(cls, count: int) -> Inspection:
        """Rows for `count` files of which nothing is known yet."""
        return cls(
            digests=np.zeros(count, np.uint64),
            hashes=np.zeros(count, np.uint64),
            thumbnails=np.zeros((count, THUMBNAIL_SIDE, THUMBNAIL_SIDE), np.uint8),
            widths=np.zeros(count, np.int32),
            heights=np.zeros(count, np.int32),
            formats=np.full(count, -1, np.int8),
            traits=np.zeros(count, np.uint8),
            readable=np.zeros(count, np.bool_),
        )


def inspect(dataset: Dataset, *, max_pixels: int, workers: int, progress: Progress | None = None) -> Inspection:
    """Read every file of `dataset` with `workers` threads. `progress` is told (files done, files in all).

    Nothing is raised for a bad file: its row says why.
    """
    inspection = Inspection.blank(len(dataset))
    done = 0

    def read(chunk: slice) -> int:
        return _inspect_some(dataset, chunk, inspection, max_pixels)

    for count in _in_threads(read, len(dataset), workers):
        done += count
        if progress:
            progress(done, len(dataset))
    return inspection


def _in_threads(read: Callable[[slice], int], count: int, workers: int) -> Iterator[int]:
    """`read` of every chunk, as they are finished; few wait in the queue, however many there are."""
    waiting: set[Future[int]] = set()
    with ThreadPoolExecutor(workers) as threads:
        for start in range(0, count, CHUNK):
            waiting.add(threads.submit(read, slice(start, min(start + CHUNK, count))))
            if len(waiting) > 2 * workers:
                finished, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                yield from (future.result() for future in finished)
        yield from (future.result() for future in waiting)


def _inspect_some(dataset: Dataset, chunk: slice, inspection: Inspection, max_pixels: int) -> int:
    greys = np.zeros((chunk.stop - chunk.start, GREY_SIDE, GREY_SIDE), np.uint8)
    for row, position in enumerate(range(chunk.start, chunk.stop)):
        if dataset.sizes[position] == MISSING_SIZE:
            inspection.faults[position] = Fault("missing-file", "the file is not there")
            continue
        with _noting_faults(position, inspection):
            content = read_image_file(dataset.file(position), max_pixels)
            inspection.digests[position] = int.from_bytes(hashlib.sha256(content).digest()[:8], "big")
            _note_header(dataset.paths[position], probe(content), inspection, position)
            greys[row] = grey_of(decode(content, minimum_side=DECODED_SIDE, max_pixels=max_pixels).rgb)
            inspection.readable[position] = True
    hashes, thumbnails = looks_of(greys)
    inspection.hashes[chunk], inspection.thumbnails[chunk] = hashes, thumbnails
    inspection.traits[chunk] |= np.where(are_blank(thumbnails), np.uint8(Trait.BLANK), np.uint8(0))
    return len(greys)


@contextmanager
def _noting_faults(position: int, inspection: Inspection) -> Iterator[None]:
    try:
        yield
    except TooLarge as error:
        inspection.faults[position] = Fault("too-large", str(error))
    except InvalidRequest as error:
        start = next((start for start in FAULTS if str(error).startswith(start)), "")
        inspection.faults[position] = Fault(FAULTS.get(start, "unreadable"), str(error))


def _note_header(path: str, header: Header, inspection: Inspection, position: int) -> None:
    inspection.widths[position], inspection.heights[position] = header.width, header.height
    inspection.formats[position] = FORMATS.index(header.format)
    suffix = os.path.splitext(path)[1].lower()
    found = {
        Trait.ROTATED: header.orientation != 1,
        Trait.CMYK: header.mode == "CMYK",
        Trait.SIXTEEN_BIT: header.bits > 8,
        Trait.ALPHA: header.alpha,
        Trait.ANIMATED: header.frames > 1,
        Trait.ODD_EXTENSION: FORMAT_OF_SUFFIX.get(suffix, header.format) != header.format,
    }
    inspection.traits[position] |= sum(trait for trait, present in found.items() if present)
