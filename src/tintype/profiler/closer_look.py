"""A closer look at a few steps: told which step begins and which phase ends, it opens and closes its two windows.

Nothing in it may hurt the training: what fails is logged once, and its window stays empty.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, final

from tintype.profiler.capture_settings import CaptureSettings, Window
from tintype.profiler.detail_files import OPERATORS, detail_path, write_hot_spots, write_operators
from tintype.profiler.hot_spots import StackSampler
from tintype.profiler.operators import OperatorWindow
from tintype.profiler.phases import Phase

MOST_OPERATOR_STEPS = 20                # each holds thousands of events in memory

logger = logging.getLogger(__name__)


@dataclass
class _Open:
    """A window that is open."""

    window: Window
    recorder: Any                       # OperatorWindow or StackSampler
    first_step: int
    at: float                           # seconds since the epoch

    def is_over(self, step: int, now: float) -> bool:
        steps = step - self.first_step
        too_many = isinstance(self.recorder, OperatorWindow) and steps >= MOST_OPERATOR_STEPS
        return too_many or self.window.is_over(steps, now - self.at)


@final
class CloserLook:
    """The windows of one process. Used by the thread that trains; `worker` names it in the files."""

    def __init__(self, settings: CaptureSettings, worker: Callable[[], str]) -> None:
        self._root, self._worker = settings.directory, worker
        self._pending: dict[str, Window] = {
            name: one for name in ("operators", "hot_spots") if (one := getattr(settings, name)) is not None
        }
        self._open: dict[str, _Open] = {}

    @property
    def is_over(self) -> bool:
        """There is nothing more to look at."""
        return not self._pending and not self._open

    def step_begins(self, step: int) -> None:
        """Training step number `step` is about to begin."""
        now = time.time()
        for name, one in list(self._open.items()):
            if one.is_over(step, now):
                self._close(name, step)
        for name, window in list(self._pending.items()):
            if window.has_begun(step, now):
                self._begin(name, step, now)

    def phase_ended(self, phase: Phase) -> None:
        """A phase of the current step has just ended."""
        if (one := self._open.get("operators")) is not None:
            one.recorder.memory.phase_ended(phase.value)

    def close(self, step: int) -> None:
        """The training ends before its windows do; `step` would have been next."""
        for name in list(self._open):
            self._close(name, step)
        self._pending.clear()

    def _begin(self, name: str, step: int, now: float) -> None:
        window = self._pending.pop(name)
        try:
            recorder = OperatorWindow() if name == "operators" else StackSampler(threading.get_ident(), time.monotonic)
            recorder.start()
            self._open[name] = _Open(window, recorder, step, now)
        except Exception as error:
            logger.warning("the profiler cannot record %s: %s; the training goes on", name, error)

    def _close(self, name: str, step: int) -> None:
        one = self._open.pop(name)
        try:
            worker, steps = self._worker(), step - one.first_step
            if not steps:                               # the training ended before the step that was about to begin
                one.recorder.stop(worker, one.first_step, 1)
            elif name == "operators":
                trace = detail_path(self._root, OPERATORS, worker, ".trace.json.gz")
                write_operators(self._root, one.recorder.stop(worker, one.first_step, steps, trace))
            else:
                write_hot_spots(self._root, one.recorder.stop(worker, one.first_step, steps))
        except Exception as error:
            logger.warning("the profiler could not keep %s: %s; the training goes on", name, error)
