"""The log of one hook: opened when there is something to write, by the workers that may write."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable, Iterable
from typing import final

import torch

from tintype.debugger.background import BackgroundWriter
from tintype.debugger.collection import Collection
from tintype.debugger.configuration import HookConfiguration
from tintype.debugger.event import Moment
from tintype.debugger.log_writer import TensorLogWriter
from tintype.debugger.step_record import StepRecord
from tintype.debugger.steps import StepCount
from tintype.debugger.tensor_log import open_log
from tintype.errors import NotFound

logger = logging.getLogger(__name__)


@final
class HookLog:
    """Where the steps of a hook go. `worker` is its name and how many there are; None asks `torch.distributed`.

    Of several workers only the first writes, unless the configuration says all.
    """

    def __init__(
        self,
        configuration: HookConfiguration,
        worker: tuple[str, int] | None = None,
        *,
        resume: bool = False,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.clock = clock
        self.failures: dict[str, int] = {}          # reason -> how often
        self._configuration = configuration
        self._worker = worker
        self._resume = resume
        self._writer: BackgroundWriter | None = None
        self._is_shut = False                       # it could not be opened
        self._described = -1

    @property
    def is_ours(self) -> bool:
        """Whether this worker writes."""
        if self._worker is None:
            self._worker = _distributed_worker()
        name, workers = self._worker
        return workers == 1 or name == "worker_0" or self._configuration.all_workers

    def submit(self, record: StepRecord, collections: Callable[[], Iterable[Collection]], members: int) -> None:
        """Have a step written, and the collections when they have other members than at the last time.

        Raises `Conflict` or `StorageFailed` when the log cannot be opened.
        """
        writer = self.open()
        writer.submit(record)
        if members != self._described:
            self._described = members
            writer.submit_collections(collections())

    def note(self, error: Exception, moment: Moment) -> int:
        """Note what went wrong, in the log where there is one; gives how often anything did."""
        reason = f"{type(error).__name__}: {error}"
        count = self.failures[reason] = self.failures.get(reason, 0) + 1
        if count == 1:
            logger.debug("the debugger failed", exc_info=error)
        if self._writer is None and self.is_ours and not self._is_shut:
            with contextlib.suppress(Exception):        # what kept the log from being opened is noted below, once
                self.open()
        if self._writer is not None:
            self._writer.lose(reason, moment.global_step)
        elif count == 1:
            logger.error("the debugger failed at step %s: %s; the training goes on without it",
                         moment.global_step, reason)  # fmt: skip
        return sum(self.failures.values())

    def flush(self) -> None:
        """Wait until what was submitted is written."""
        if self._writer is not None:
            self._writer.flush()

    def close(self, collections: Iterable[Collection], *, end: bool) -> None:
        """Write what waits; with `end` say that nothing more will come."""
        if self._writer is not None:
            self._writer.submit_collections(collections)
            self._writer.close(end=end)
            self._writer = None

    def open(self) -> BackgroundWriter:
        """The writer, made when there is none yet. Raises `Conflict` or `StorageFailed`."""
        if self._writer is None:
            self._is_shut = True                        # unless the next lines succeed
            name, workers = self._worker or _distributed_worker()
            count = workers if self._configuration.all_workers else 1
            self._writer = BackgroundWriter(
                TensorLogWriter(self._configuration.location, name, count, resume=self._resume, clock=self.clock)
            )
            self._is_shut = False
        return self._writer

    def last_steps(self) -> StepCount:
        """The numbers of the last steps in the log as it is now; those before the first, unless it is resumed."""
        count = StepCount()
        if not self._resume:
            return count
        try:
            log = open_log(self._configuration.location)
        except NotFound:
            return count
        for mode in log.modes():
            count.mode_steps[mode] = max(log.steps(mode), default=-1)
        count.step = max(log.steps(), default=-1)
        return count


def _distributed_worker() -> tuple[str, int]:
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        return f"worker_{torch.distributed.get_rank()}", torch.distributed.get_world_size()
    return "worker_0", 1
