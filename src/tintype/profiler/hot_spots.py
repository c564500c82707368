"""Where the Python of a training is: its thread's stack, looked at a hundred times a second by another thread.

A look costs some ten microseconds and holds the interpreter meanwhile, which is a tenth of a per cent of the training.
What runs inside of a library counts for the function that called it.
"""

from __future__ import annotations

import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from types import FrameType
from typing import final

from tintype.profiler.detail_files import Function, HotSpots

PAUSE_SECONDS = 0.01
DEEPEST = 200                           # frames of a stack
MOST_FUNCTIONS = 60                     # kept
LONGEST_SECONDS = 600.0                 # of a window that is never closed
OURS = str(Path(__file__).with_name("closer_look.py"))

Place = tuple[str, str]                 # (file, function)


@final
class StackSampler:
    """Samples the stack of one thread from `start` to `stop`."""

    def __init__(self, thread_id: int, steady: Callable[[], float]) -> None:
        self._thread_id, self._steady = thread_id, steady
        self._own: Counter[Place] = Counter()
        self._all: Counter[Place] = Counter()
        self._lines: dict[Place, Counter[int]] = {}
        self._samples = 0
        self._begun = 0.0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._work, name="tintype-stacks", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._begun = self._steady()
        self._thread.start()

    def stop(self, worker: str, first_step: int, steps: int) -> HotSpots:
        """End, and say what was seen."""
        self._over.set()
        self._thread.join()
        seconds = self._steady() - self._begun
        ranked = sorted(self._all, key=lambda place: (-self._own[place], -self._all[place]))[:MOST_FUNCTIONS]
        functions = tuple(
            Function(name, shortened(file), self._lines[file, name].most_common(1)[0][0], self._own[file, name],
                     self._all[file, name])
            for file, name in ranked
        )  # fmt: skip
        return HotSpots(worker, first_step, steps, seconds, self._samples, functions)

    def _work(self) -> None:
        while not self._over.wait(PAUSE_SECONDS) and self._steady() - self._begun < LONGEST_SECONDS:
            self._look()

    def _look(self) -> None:
        # A frame that is held when its function returns keeps what the function had, and torch breaks where a tensor
        # goes on another thread than it came: nothing of it may outlive this call, in which no other thread runs.
        stack = list(islice(_outwards(sys._current_frames().get(self._thread_id)), DEEPEST))
        if not stack:
            return
        if any(file == OURS for (file, _), _ in stack):
            return                                      # the other window is being written down
        self._samples += 1
        self._own[stack[0][0]] += 1
        for place, line in dict(reversed(stack)).items():       # of a recursion the innermost line
            self._all[place] += 1
            self._lines.setdefault(place, Counter())[line] += 1


def _outwards(frame: FrameType | None) -> Iterator[tuple[Place, int]]:
    while frame is not None:
        yield (frame.f_code.co_filename, frame.f_code.co_qualname), frame.f_lineno or 0
        frame = frame.f_back


def shortened(file: str) -> str:
    """A file as people know it: "torch/nn/modules/conv.py" of a library, the last two parts of anything else."""
    for mark in ("/site-packages/", "/dist-packages/"):
        if mark in file:
            return file.rpartition(mark)[2]
    return "/".join(file.split("/")[-2:])
