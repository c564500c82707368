"""How long each stage of a run took."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import final


@final
class Stopwatch:
    """Seconds per stage, in the order in which stages began. Seconds of a stage entered twice add up."""

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self._began_at = clock()
        self.stages: dict[str, float] = {}

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        began_at = self._clock()
        try:
            yield
        finally:
            self.stages[stage] = self.stages.get(stage, 0.0) + self._clock() - began_at

    @property
    def seconds(self) -> float:
        """Since the stopwatch was made."""
        return self._clock() - self._began_at
