"""Reading a tensor log while the training writes it, or after: ours, smdebug's, or AWS's.

    log = open_log("run/debug-output")          # or s3://bucket/job/debug-output
    log.steps(Mode.TRAIN)
    log.values("CrossEntropyLoss_output_0", Mode.EVAL)

A step is counted in the mode that is given: with `Mode.GLOBAL`, the default, in global steps through all the modes,
otherwise in steps of that mode. Reading one tensor's history opens no other tensor.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tintype.debugger.collection import Collection
from tintype.debugger.log_loading import LogLoader
from tintype.debugger.log_location import log_files
from tintype.debugger.log_names import LogNames
from tintype.debugger.log_steps import LogSteps, spelt
from tintype.debugger.log_values import LogValues
from tintype.debugger.modes import Mode
from tintype.debugger.reductions import REDUCTIONS, reduce, reduction_tag
from tintype.errors import InvalidRequest, NotFound, not_found

POLL_SECONDS = 0.25
SEVERAL_NUMBERS = frozenset({"quantiles", "histogram"})

Array = np.ndarray[Any, Any]


def open_log(location: str | Path) -> TensorLog:
    """The tensor log at a path or an fsspec URL. An empty place is an empty log: a training may yet begin to write."""
    log = TensorLog(LogLoader(log_files(location)))
    log.refresh()
    return log


class TensorLog:
    """What was saved of a training. `refresh` reads what came since; everything else answers from what was read."""

    def __init__(self, loader: LogLoader) -> None:
        self._loader = loader
        self._steps = LogSteps(loader)
        self._names = LogNames(loader, self._steps)
        self._values = LogValues(loader, self._steps)

    def __repr__(self) -> str:
        ended = "ended" if self.ended else "not ended"
        return f"TensorLog({self.location!r}: {len(self.steps())} steps, {len(self.names())} tensors, {ended})"

    @property
    def location(self) -> str:
        """The path or the URL of the log."""
        return self._loader.files.location

    @property
    def ended(self) -> bool:
        """True when the training said that nothing more will come."""
        return self._loader.ended

    @property
    def workers(self) -> tuple[str, ...]:
        """The workers that wrote something, sorted."""
        return tuple(sorted(self._loader.workers))

    @property
    def expected_workers(self) -> int:
        """How many workers the training said would write."""
        return self._loader.collections.expected_workers

    @property
    def collections(self) -> Mapping[str, Collection]:
        """The collections that were saved, by name, with the tensors that the hook put into each."""
        return self._loader.collections.merged

    @property
    def problems(self) -> Mapping[str, str]:
        """What is missing from the answers: a path below the log → what is wrong with it."""
        return self._loader.problems

    def refresh(self) -> bool:
        """Read what was written since the last time; True when there was something."""
        changed = self._loader.refresh()
        if changed:
            self._steps.forget()
        return changed

    # steps

    def modes(self) -> list[Mode]:
        """The modes of which steps were saved; `GLOBAL` only where nobody set a mode."""
        return self._steps.modes()

    def steps(self, mode: Mode = Mode.GLOBAL, *, complete: bool = True) -> list[int]:
        """The steps that were saved, ascending; `complete` leaves out those that not all workers have written yet."""
        steps = self._steps.of(mode)
        return self._steps.complete(steps, mode) if complete else list(steps)

    @property
    def last_complete_step(self) -> int:
        """The newest global step that is complete, -1 if none. What is older is complete too, or will never be."""
        return self._steps.last_complete

    def mode_step(self, global_step: int) -> tuple[Mode, int]:
        """The mode of a global step, and its number in that mode. Raises `NotFound`."""
        return self._steps.mode_step(global_step)

    def global_step(self, mode: Mode, mode_step: int) -> int | None:
        """The global step of a step of a mode; None when it was not saved."""
        return self._steps.global_step(mode, mode_step)

    def wait(
        self,
        step: int,
        mode: Mode = Mode.GLOBAL,
        timeout_seconds: float = 60.0,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> bool:
        """Wait until a step is there, whole. False when it will not come (the log ended, or went past it), or the time
        is over.
        """
        deadline = clock() + timeout_seconds
        while True:
            self.refresh()
            steps = self.steps(mode)
            if step in steps[-1:] or step in steps:
                return True
            if self.ended or (steps and steps[-1] > step) or clock() >= deadline:
                return False
            sleep(min(POLL_SECONDS, max(deadline - clock(), 0.0)))

    # tensors

    def names(
        self,
        regex: str | Iterable[str] | None = None,
        *,
        collection: str | Collection | None = None,
        mode: Mode | None = None,
        step: int | None = None,
    ) -> list[str]:
        """The names of the tensors, sorted: those that match an expression (anywhere in the name), belong to a
        collection, and were saved in a mode or at a step of it. A tensor counts when only a reduction of it was saved.
        """
        return self._names.matching(regex, collection, mode or Mode.GLOBAL, step)

    def has(self, name: str) -> bool:
        """True when a tensor, or a reduction of it, was saved under that name."""
        return self._loader.table.bases.find(name) is not None

    def steps_of(self, name: str, mode: Mode = Mode.GLOBAL, *, complete: bool = True) -> list[int]:
        """The steps at which a tensor, or a reduction of it, was saved, ascending. Raises `NotFound`."""
        steps = self._names.steps_of(name, mode)
        return self._steps.complete(steps, mode) if complete else steps

    def workers_of(self, name: str, step: int, mode: Mode = Mode.GLOBAL) -> list[str]:
        """The workers that saved a tensor, or a reduction of it, at a step. Raises `NotFound` for an unknown tensor."""
        return self._names.workers_of(name, step, mode)

    def contents(self, step: int) -> list[tuple[str, str, bool]]:
        """What was saved at a global step, in the order in which it was written: (tensor, op, absolute) of each
        reduction; op is "" for the tensor itself, and "shape" where nothing but its shape is there.
        """
        return self._names.contents(step)

    def time_of(self, step: int) -> float | None:
        """When a global step was saved, in seconds since the epoch; None when nothing but shapes was."""
        return self._values.time_of(step)

    def value(self, name: str, step: int, mode: Mode = Mode.GLOBAL, worker: str | None = None) -> Array:
        """A tensor as it was saved (0-d for a number), of the first worker unless one is named.

        Raises `NotFound`, which says at which steps it is there or that only reductions of it are, and `StorageFailed`
        when its place in the file is damaged.
        """
        row = self._values.find(name, step, mode, worker)
        if row is None:
            raise self._not_saved(name, step, mode)
        return self._values.read(row)

    def values(self, name: str, mode: Mode = Mode.GLOBAL, worker: str | None = None) -> dict[int, Array]:
        """A tensor at all the steps at which it was saved whole; what is damaged is left out and in `problems`.

        Raises `NotFound` for a tensor that is not in the log at all.
        """
        self._names.known(name)
        return dict(self._values.history(name, mode, worker))

    def series(self, name: str, mode: Mode = Mode.GLOBAL, worker: str | None = None) -> tuple[Array, Array]:
        """The steps (int64) and values (float64) of a tensor of single numbers, such as a loss: the quickest way.

        What is not a single real number is left out. Raises `NotFound` for a tensor that is not in the log at all.
        """
        self._names.known(name)
        return self._values.series(name, mode, worker)

    def shape(self, name: str, step: int, mode: Mode = Mode.GLOBAL, worker: str | None = None) -> tuple[int, ...]:
        """The shape of a tensor at a step, from the index or from the tensor. Raises `NotFound`."""
        stored = self._values.stored_shape(name, step, mode, worker)
        return self.value(name, step, mode, worker).shape if stored is None else stored

    # reductions

    def reduction(
        self,
        name: str,
        step: int,
        op: str,
        *,
        absolute: bool = False,
        mode: Mode = Mode.GLOBAL,
        worker: str | None = None,
    ) -> float:
        """A reduction to one number: as stored, or else computed from the tensor. Raises `NotFound` without either."""
        if op in SEVERAL_NUMBERS:
            raise InvalidRequest(f"{op} is not a single number; ask for the distribution")
        return self.distribution(name, step, op, absolute=absolute, mode=mode, worker=worker).item()

    def distribution(
        self,
        name: str,
        step: int,
        op: str,
        *,
        absolute: bool = False,
        mode: Mode = Mode.GLOBAL,
        worker: str | None = None,
    ) -> Array:
        """As `reduction`, also for those that are several numbers (`quantiles`, `histogram`): see reductions.py."""
        if op not in REDUCTIONS:
            raise not_found("reduction", op, REDUCTIONS)
        row = self._values.find(reduction_tag(name, op, absolute=absolute), step, mode, worker)
        if row is not None:
            return self._values.read(row)
        return reduce(self.value(name, step, mode, worker), op, absolute=absolute)

    def reductions(self, name: str, mode: Mode = Mode.GLOBAL) -> dict[tuple[str, bool], dict[int, float]]:
        """The stored reductions to one number of a tensor: (op, absolute) → step → value. Raises `NotFound`."""
        return {
            (op, absolute): {step: value.item() for step, value in self._values.history(tag, mode, None)}
            for op, absolute, tag in self._names.reductions_of(name)
            if op not in SEVERAL_NUMBERS
        }

    def distributions(
        self, name: str, op: str, mode: Mode = Mode.GLOBAL, *, absolute: bool = False
    ) -> dict[int, Array]:
        """The stored `quantiles` or `histogram` of a tensor by step; empty when none were stored."""
        self._names.known(name)
        return dict(self._values.history(reduction_tag(name, op, absolute=absolute), mode, None))

    def stored_reductions(self, name: str, step: int, mode: Mode = Mode.GLOBAL) -> list[tuple[str, bool]]:
        """(op, absolute) of the reductions of a tensor that were stored at a step."""
        return [
            (op, absolute)
            for op, absolute, tag in self._names.reductions_of(name)
            if self._values.find(tag, step, mode, None) is not None
        ]

    def to_frame(self, regex: str | Iterable[str] | None = None, mode: Mode | None = None) -> Any:
        """A pandas DataFrame of the tensors that are single numbers: a row each, with the columns `name`, `mode`,
        `step` (global), `mode_step` and `value`. Needs pandas.
        """
        import pandas

        rows = []
        for name in self.names(regex, mode=mode):
            for step, value in zip(*(one.tolist() for one in self.series(name)), strict=True):
                of, mode_step = self.mode_step(int(step))
                if mode in (None, Mode.GLOBAL, of):
                    rows.append((name, of.name, step, mode_step, value))
        return pandas.DataFrame(rows, columns=["name", "mode", "step", "mode_step", "value"])

    def _not_saved(self, name: str, step: int, mode: Mode) -> NotFound:
        steps, of = self.steps_of(name, mode, complete=False), "" if mode is Mode.GLOBAL else f" of {mode.name}"
        if step in steps:
            pairs = self.stored_reductions(name, step, mode)
            stored = ", ".join(("abs_" if absolute else "") + op for op, absolute in pairs)
            return NotFound(f"{name} was not saved whole at step {step}{of}; there is {stored or 'its shape'}")
        return NotFound(f"{name} was not saved at step {step}{of}; {spelt(steps)}")
