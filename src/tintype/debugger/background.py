"""Writing a log beside the training: a thread, and a queue in front of it that never holds more than it may.

What the debugger cannot do must not cost the training anything but what was to be saved: an error is counted, noted
once in the log's folder, and the training goes on.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import threading
from collections import deque
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import final

from tintype.debugger.collection import Collection
from tintype.debugger.layout import errors_path
from tintype.debugger.log_writer import TensorLogWriter
from tintype.debugger.step_record import StepRecord
from tintype.errors import TintypeError

WAITING_BYTES = 1 << 30
WAITING_STEPS = 256

logger = logging.getLogger(__name__)


@dataclass
class Loss:
    """Steps that could not be saved for one reason: how many, the first and the last of them (global)."""

    reason: str
    steps: int
    first_step: int
    last_step: int


@final
class BackgroundWriter:
    """Takes whole steps from the training and writes them in order in a thread of its own.

    `submit` waits while more than `waiting_bytes` or `waiting_steps` are unwritten, so that a slow disk slows the
    training down rather than filling the memory. In a process forked from this one it does nothing.
    """

    def __init__(
        self, writer: TensorLogWriter, *, waiting_bytes: int = WAITING_BYTES, waiting_steps: int = WAITING_STEPS
    ) -> None:
        self.writer = writer
        self.losses: dict[str, Loss] = {}
        self._limits = (waiting_bytes, waiting_steps)
        self._queue: deque[StepRecord | list[Collection]] = deque()
        self._bytes = 0
        self._busy = self._closed = False
        self._changed = threading.Condition()
        self._process = os.getpid()
        self._thread = threading.Thread(target=self._run, name="tensor-log", daemon=True)
        self._thread.start()

    def submit(self, record: StepRecord) -> None:
        """Have a step written; its arrays must not change any more."""
        if record:
            self._put(record, record.nbytes)

    def submit_collections(self, collections: Iterable[Collection]) -> None:
        """Have the collections written, after the steps submitted before."""
        self._put(list(collections), 0)

    def _put(self, item: StepRecord | list[Collection], size: int) -> None:
        if os.getpid() != self._process:
            return
        most_bytes, most_steps = self._limits
        with self._changed:
            while self._queue and (self._bytes + size > most_bytes or len(self._queue) >= most_steps):
                self._changed.wait()
            if not self._closed:
                self._queue.append(item)
                self._bytes += size
                self._changed.notify_all()

    def flush(self) -> None:
        """Wait until all that was submitted is written."""
        if os.getpid() != self._process:
            return
        with self._changed:
            while self._queue or self._busy:
                self._changed.wait()

    def close(self, *, end: bool = True) -> None:
        """Write what waits, then end the log, or with `end=False` only let go of it. The second time does nothing."""
        if os.getpid() != self._process or self._closed:
            return
        self.flush()
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._thread.join()
        if self.losses:
            self._note()
        try:
            self.writer.end() if end else self.writer.close()
        except (TintypeError, OSError) as error:
            self._lose(f"{error}", None)

    def _run(self) -> None:
        while (item := self._next()) is not None:
            try:
                self._write(item) if isinstance(item, StepRecord) else self.writer.write_collections(item)
            except Exception as error:      # whatever it is, it must not end the thread: the training would wait for it
                self._lose(f"{type(error).__name__}: {error}", item if isinstance(item, StepRecord) else None)
            with self._changed:
                self._busy = False
                self._changed.notify_all()
            del item                            # its memory is not kept while the next one is waited for

    def _write(self, record: StepRecord) -> None:
        late, record.late = record.late, None
        try:
            if late:
                late.fill(record)
            self.writer.write(record)
        finally:
            if late:
                late.release()

    def _next(self) -> StepRecord | list[Collection] | None:
        with self._changed:
            while not self._queue and not self._closed:
                self._changed.wait()
            if not self._queue:
                return None
            item = self._queue.popleft()
            self._bytes -= item.nbytes if isinstance(item, StepRecord) else 0
            self._busy = True
            self._changed.notify_all()
            return item

    def lose(self, reason: str, step: int) -> None:
        """Count and note something of a step that could not even be submitted."""
        self._lose(reason, None, step)

    def _lose(self, reason: str, record: StepRecord | None, step: int = -1) -> None:
        step = record.moment.global_step if record else step
        kind = reason.partition(":")[0]             # a full disk names another file each time
        loss = self.losses.get(kind)
        if loss is None:
            logger.error("the debugger could not save step %s: %s; the training goes on without it", step, reason)
            loss = self.losses.setdefault(kind, Loss(reason, 0, step, step))
        loss.steps += 1
        loss.last_step = step
        if loss.steps & (loss.steps - 1) == 0:     # the 1st, 2nd, 4th, ...: noting must not add to the load
            self._note()

    def _note(self) -> None:
        document = {"losses": [asdict(one) for one in self.losses.values()]}
        with contextlib.suppress(TintypeError, OSError):     # what cannot be written cannot be noted either
            self.writer.files.write(errors_path(self.writer.worker), [json.dumps(document).encode()])
