"""Writing a step of a log by hand."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Any

import numpy as np

from smdebug.core.modes import ModeKeys
from smdebug.exceptions import SMDebugValueError, spoken_as_smdebug
from tintype.debugger.layout import event_path
from tintype.debugger.log_writer import TensorLogWriter
from tintype.debugger.step_record import StepRecord


class FileWriter:
    """Collects the tensors of one global step, and writes them when it is closed."""

    def __init__(
        self,
        trial_dir: str,
        worker: str,
        step: int = 0,
        wtype: str = "events",
        mode: ModeKeys = ModeKeys.GLOBAL,
        verbose: bool = False,
    ) -> None:
        if wtype != "events":
            raise SMDebugValueError(f"Writer type not supported {wtype}")
        self.trial_dir, self.worker, self.step, self.mode = trial_dir, worker, step, mode
        self._record: StepRecord | None = None

    def write_tensor(
        self,
        tdata: Any,
        tname: str,
        write_index: bool = True,
        mode: ModeKeys | None = ModeKeys.GLOBAL,
        mode_step: int | None = None,
        timestamp: float | None = None,
    ) -> None:
        """Add a tensor: an array, numbers, or a torch tensor. The first one says the mode of the step."""
        array = tdata.detach().cpu().numpy() if hasattr(tdata, "detach") else np.asarray(tdata)
        self._step(mode, mode_step, timestamp).add(tname, array)

    def write_shape(
        self,
        name: str,
        shape: tuple[int, ...],
        mode: ModeKeys = ModeKeys.GLOBAL,
        mode_step: int | None = None,
        original_name: str | None = None,
    ) -> None:
        """Add a shape."""
        self._step(mode, mode_step, None).add_shape(name, tuple(shape))

    def _step(self, mode: ModeKeys | None, mode_step: int | None, timestamp: float | None) -> StepRecord:
        if not (mode is None or isinstance(mode, ModeKeys)):
            raise SMDebugValueError(f"mode can be one of {', '.join('ModeKeys.' + one.name for one in ModeKeys)}")
        if self._record is None:
            at = self.step if mode_step is None else mode_step
            self._record = StepRecord.at(self.step, mode or ModeKeys.GLOBAL, at, timestamp or time.time())
        return self._record

    def name(self) -> str:
        """The path of the event file."""
        return f"{self.trial_dir.rstrip('/')}/{event_path(self.step, self.worker)}"

    def flush(self) -> None:
        """Write what was added so far; what comes later is added to it."""
        if self._record is not None:
            with spoken_as_smdebug():
                writer = TensorLogWriter(self.trial_dir, self.worker, resume=True)
                writer.write(self._record)
                writer.close()

    def close(self) -> None:
        """Write what was added."""
        self.flush()
        self._record = None

    def __enter__(self) -> FileWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
