"""Where the time went: named, timed parts of a job."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import final

from tintype.training.events import Event, Phase, Progress

Emit = Callable[[Event], None]

PROGRESS_SECONDS = 0.25     # no more often than this


@final
class Phases:
    """Times the parts of a job, says so through `emit`, and keeps the sums in `seconds` by name."""

    def __init__(self, emit: Emit) -> None:
        self._emit = emit
        self._began = time.perf_counter()
        self.seconds: dict[str, float] = {}

    @property
    def elapsed(self) -> float:
        """Seconds since the job began."""
        return time.perf_counter() - self._began

    @contextlib.contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        """Time what is inside the `with` block as `name`, and say so."""
        began = time.perf_counter()
        yield
        seconds = time.perf_counter() - began
        self.add(name, seconds)
        self._emit(Phase(name, round(seconds, 4)))

    def add(self, name: str, seconds: float) -> None:
        """Add to the sum of `name` without saying so: for parts that come every epoch."""
        self.seconds[name] = self.seconds.get(name, 0.0) + seconds

    def progress(self, phase: str) -> Callable[[int, int], None]:
        """A `(done, total)` callback that emits, but not more often than a person can read."""
        last = -PROGRESS_SECONDS

        def report(done: int, total: int) -> None:
            nonlocal last
            now = time.perf_counter()
            if now - last >= PROGRESS_SECONDS or done == total:
                last = now
                self._emit(Progress(phase, done, total))

        return report
