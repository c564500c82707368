"""Files decoded into the rows of an array file, by threads.

Threads and not processes: decoding and scaling run without the interpreter's lock and are nine tenths of the work on a
photograph, processes were not faster, and they would cost a start and memory each.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import final

import numpy as np
from numpy.typing import NDArray

from tintype.datasets.array_file import ArrayFile
from tintype.datasets.images import read_image_file
from tintype.datasets.pillow_memory import kept_blocks
from tintype.datasets.views import View
from tintype.errors import InvalidRequest

BLOCKS = 4                         # of Pillow's memory, a worker: the picture, two passes of scaling, the result
PIECE = 16                         # files in one piece of work
SYNC_BYTES = 4 * 1024**2          # written pixels are sent to the disk by the thread that waits, while others decode

Progress = Callable[[int, int], None]


@final
class Rows:
    """What is known of each of `count` rows while they are being filled."""

    def __init__(self, count: int) -> None:
        self.ok = np.zeros(count, np.bool_)             # (count,) rows that hold a picture
        self.aspect = np.ones(count, np.float32)        # (count,) width / height of the whole picture, upright
        self.reasons: dict[int, str] = {}               # why a row holds none


@dataclass(frozen=True, eq=False)
class Decoding:
    """Where the pictures come from, how they are to look, and where they go."""

    file: Callable[[int], Path]                         # the file of a row
    view: View
    max_pixels: int
    pixels: ArrayFile
    rows: Rows

    def run(self, missing: NDArray[np.integer], workers: int, progress: Progress | None) -> None:
        """Fill the rows `missing`; a file that cannot be decoded gets its reason.

        Only a few pieces of work wait at any time, whatever the number of files. `progress(done, total)` counts the
        rows that were there before too. `StorageFailed` when the disk is full.
        """
        total = self.pixels.count
        done, unsynced = total - len(missing), 0
        waiting: deque[Future[int]] = deque()
        pieces = (missing[start : start + PIECE].tolist() for start in range(0, len(missing), PIECE))
        with kept_blocks(BLOCKS * workers), ThreadPoolExecutor(workers, thread_name_prefix="decode") as pool:
            while True:
                while len(waiting) < 2 * workers and (piece := next(pieces, None)) is not None:
                    waiting.append(pool.submit(self._piece, piece))
                if not waiting:
                    break
                finished = waiting.popleft().result()
                done, unsynced = done + finished, unsynced + finished * self.pixels.row_bytes
                if progress is not None:
                    progress(done, total)
                if unsynced >= SYNC_BYTES:
                    self.pixels.sync()
                    unsynced = 0
        self.pixels.sync()

    def _piece(self, piece: Sequence[int]) -> int:
        """Each row belongs to one piece, so the threads never write to the same place."""
        for row in piece:
            try:
                content = read_image_file(self.file(row), self.max_pixels)
                image, aspect = self.view.render(content, self.max_pixels)
            except InvalidRequest as error:
                self.rows.reasons[row] = str(error)
                continue
            self.pixels.write(row, image)
            self.rows.ok[row], self.rows.aspect[row] = True, aspect
        return len(piece)
