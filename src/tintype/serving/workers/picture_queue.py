"""Pictures that wait for a network: taken out in batches, put back when a worker dies, put together as logits come."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import final

import numpy as np

from tintype.errors import JobFailed
from tintype.serving.workers.batching import BatchLimits, Reason, reason_to_release
from tintype.serving.workers.decoders import Placed

MAX_DEATHS = 2                  # a request whose workers died so often is given up


@final
@dataclass(frozen=True, eq=False)
class Inferred:
    """What the network said of the pictures of one request."""

    logits: np.ndarray          # float32 (n, classes)
    waited: float               # seconds until its last picture was in a batch that went out
    seconds: float              # of the slowest of its batches


@final
@dataclass(eq=False)
class PictureRequest:
    """Pictures that are answered together."""

    result: asyncio.Future[Inferred]
    rows: int
    arrived: float              # time.perf_counter()
    missing: int                # rows without an answer
    logits: np.ndarray | None = None
    waited: float = 0.0
    seconds: float = 0.0
    deaths: int = 0             # of workers that had some of it

    def note(self, row: int, logits: np.ndarray, seconds: float) -> None:
        """Write one picture's logits down; the last one completes the request."""
        if self.logits is None:
            self.logits = np.empty((self.rows, len(logits)), np.float32)
        self.logits[row] = logits
        self.missing -= 1
        self.seconds = max(self.seconds, seconds)
        if not self.missing and not self.result.done():
            self.result.set_result(Inferred(self.logits, self.waited, self.seconds))


@final
@dataclass(frozen=True, eq=False)
class Picture:
    """One of a request's pictures, and where it is."""

    request: PictureRequest
    row: int
    placed: Placed


@final
@dataclass(frozen=True)
class Release:
    """Pictures that go out together, and why."""

    pictures: list[Picture]
    reason: Reason


@final
class PictureQueue:
    """First come, first served. One event loop uses it."""

    def __init__(self, limits: BatchLimits, free: Callable[[Placed], None]) -> None:
        """`free` gives the slot of a picture back that nobody waits for any more."""
        self._limits = limits
        self._free = free
        self._waiting: deque[Picture] = deque()
        self._retries: deque[list[Picture]] = deque()

    def __len__(self) -> int:
        return len(self._waiting) + sum(map(len, self._retries))

    @property
    def oldest_waits(self) -> float:
        """Seconds that the first of the waiting pictures has waited for."""
        return time.perf_counter() - self._waiting[0].request.arrived if self._waiting else 0.0

    def add(self, placed: Sequence[Placed]) -> PictureRequest:
        """The pictures of a request, at the end."""
        future: asyncio.Future[Inferred] = asyncio.get_running_loop().create_future()
        request = PictureRequest(future, len(placed), time.perf_counter(), missing=len(placed))
        self._waiting.extend(Picture(request, row, one) for row, one in enumerate(placed))
        return request

    def next_batch(self, on_their_way: int) -> Release | float:
        """What an idle worker gets now; or for how many seconds it is better to wait for more, infinite for nothing.

        `on_their_way` counts the requests whose pictures are being decoded.
        """
        while self._retries:
            again = [one for one in self._retries.popleft() if not self._is_dropped(one)]
            if again:
                return Release(again, Reason.RETRY)
        while self._waiting and self._is_dropped(self._waiting[0]):
            self._waiting.popleft()
        if not self._waiting:
            return float("inf")
        waited = self.oldest_waits
        reason = reason_to_release(self._limits, len(self._waiting), waited, on_their_way)
        if reason is None:
            return self._limits.wait_seconds - waited
        batch: list[Picture] = []
        while self._waiting and len(batch) < self._limits.pictures:
            picture = self._waiting.popleft()
            if not self._is_dropped(picture):
                batch.append(picture)
        return Release(batch, reason)

    def put_back(self, batch: Sequence[Picture]) -> None:
        """A worker died on these: each request is tried once more, alone, and given up after that."""
        for request, pictures in itertools.groupby(batch, key=lambda one: one.request):
            again = list(pictures)
            request.deaths += 1
            if request.deaths < MAX_DEATHS and not request.result.done():
                self._retries.append(again)
                continue
            for picture in again:
                self._free(picture.placed)
            if not request.result.done():
                died = "the workers that ran the network on this request died; the log says how"
                request.result.set_exception(JobFailed(died))

    def _is_dropped(self, picture: Picture) -> bool:
        """Nobody waits for it any more: its slot is given back."""
        if not picture.request.result.done():
            return False
        self._free(picture.placed)
        return True
