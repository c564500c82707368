"""How many threads of a job want a core: those that run, and those that wait for their turn.

The kernel counts for each thread how long it ran and how long it waited for a core (`schedstat`). Over a time, their
sum is the mean number of threads that wanted one. It is the job's own, whatever else the machine does, also in a
container.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import final

from tintype.profiler.proc import Proc

THREADS_PER_LOOK = 32                   # a thread costs some six microseconds: of many, each look pays a part


@final
class RunQueue:
    """Follows the threads of some processes. With many threads it looks at them less often than it is asked."""

    def __init__(self, proc: Proc) -> None:
        self._proc = proc
        self._wanted: dict[int, int] = {}               # thread -> nanoseconds that it ran or waited for a core
        self._at = math.nan                             # when it looked
        self._pause = 0                                 # looks to leave out
        self._mean = math.nan

    def look(self, at: float, processes: Sequence[int]) -> float:
        """The mean number of threads that wanted a core, of late; NaN until it can be told. `at` is in seconds."""
        if self._pause:
            self._pause -= 1
            return self._mean
        before, now = self._wanted, {}
        for process in processes:
            now.update(self._proc.wanted(process))
        done = sum(_since(before.get(thread, 0), time) for thread, time in now.items())
        passed = at - self._at                          # NaN the first time, and so is the mean then
        self._mean = done / 1e9 / passed if now and passed > 0 else math.nan
        self._wanted, self._at, self._pause = now, at, len(now) // THREADS_PER_LOOK
        return self._mean


def _since(before: int, now: int) -> int:
    """A thread that has the id of one that ended began at zero."""
    return now - before if now >= before else now
