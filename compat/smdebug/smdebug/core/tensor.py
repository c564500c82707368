"""A tensor of a trial, over all its steps."""

from __future__ import annotations

from bisect import bisect_right
from enum import Enum
from typing import TYPE_CHECKING, Any

import numpy as np

from smdebug.core.modes import ModeKeys
from smdebug.exceptions import (
    InvalidWorker,
    NoMoreData,
    ShapeUnavailableForStep,
    SMDebugRuntimeError,
    SMDebugValueError,
    StepNotYetAvailable,
    StepUnavailable,
    TensorUnavailableForStep,
)
from tintype.debugger.reductions import REDUCTIONS
from tintype.errors import NotFound, StorageFailed

if TYPE_CHECKING:
    from smdebug.trials.trial import Trial

Array = np.ndarray[Any, Any]


class StepState(Enum):
    """Whether a step is there, may come, or will not."""

    UNAVAILABLE = 0
    AVAILABLE = 1
    NOT_YET_AVAILABLE = 2


class Tensor:
    """What was saved under one name. Numbers that stand for it are asked for with `reduction_value`."""

    def __init__(self, name: str, trial: Trial) -> None:
        self.name = name
        self.original_name = name
        self.trial = trial

    def steps(self, mode: ModeKeys = ModeKeys.GLOBAL, show_incomplete_steps: bool = False) -> list[int]:
        """The steps at which it, or a reduction of it, was saved."""
        self.trial.maybe_refresh()
        return self.trial.in_range(self.trial.log.steps_of(self.name, mode, complete=not show_incomplete_steps), mode)

    def prev_steps(self, step: int, n: int | None = None, mode: ModeKeys = ModeKeys.GLOBAL) -> list[int]:
        """The last `n` of its steps (all of them without `n`) up to and with `step`."""
        steps = self.steps(mode=mode)
        before = steps[: bisect_right(steps, step)]
        return before[-n:] if n else before

    def workers(self, step_num: int, mode: ModeKeys = ModeKeys.GLOBAL) -> list[str]:
        """The workers that saved it at a step."""
        if workers := self.trial.log.workers_of(self.name, step_num, mode):
            return workers
        raise TensorUnavailableForStep(self.name, step_num, mode)

    def value(self, step_num: int, mode: ModeKeys = ModeKeys.GLOBAL, worker: str | None = None) -> Array:
        """The tensor at a step, of the first worker unless one is named."""
        return self._read(step_num, mode, worker, lambda: self._whole(step_num, mode, worker))

    def values(self, mode: ModeKeys = ModeKeys.GLOBAL, worker: str | None = None) -> dict[int, Array]:
        """The tensor at all its steps."""
        steps = set(self.steps(mode=mode))
        return {step: value for step, value in self.trial.log.values(self.name, mode, worker).items() if step in steps}

    def shape(
        self, step_num: int, mode: ModeKeys = ModeKeys.GLOBAL, worker: str | None = None
    ) -> tuple[int, ...]:
        """Its shape at a step, also where nothing else of it was saved."""
        try:
            return self._read(step_num, mode, worker, lambda: self.trial.log.shape(self.name, step_num, mode, worker))
        except TensorUnavailableForStep as error:
            raise ShapeUnavailableForStep(self.name, step_num, mode) from error

    def reduction_value(
        self,
        step_num: int,
        reduction_name: str,
        mode: ModeKeys = ModeKeys.GLOBAL,
        worker: str | None = None,
        abs: bool = False,
    ) -> Array:
        """A reduction at a step: as stored, or else of the whole tensor."""
        if reduction_name not in REDUCTIONS:
            raise SMDebugValueError(f"Invalid reduction type {reduction_name}")
        log = self.trial.log
        return self._read(
            step_num, mode, worker,
            lambda: log.distribution(self.name, step_num, reduction_name, absolute=abs, mode=mode, worker=worker),
        )  # fmt: skip

    def reduction_values(
        self, step_num: int, mode: ModeKeys = ModeKeys.GLOBAL, worker: str | None = None
    ) -> dict[tuple[str, bool], Array]:
        """All the reductions that are stored at a step: (name, of absolute values) → value."""
        self._read(step_num, mode, worker, lambda: None)
        stored = self.trial.log.stored_reductions(self.name, step_num, mode)
        return {(op, absolute): self.reduction_value(step_num, op, mode, worker, absolute) for op, absolute in stored}

    def _whole(self, step: int, mode: ModeKeys, worker: str | None) -> Array:
        cache = self.trial.cached_values
        key = (self.name, step, mode, worker)
        if cache is None:
            return self.trial.log.value(self.name, step, mode, worker)
        if key not in cache:
            cache[key] = self.trial.log.value(self.name, step, mode, worker)
        return cache[key]

    def _read(self, step: int, mode: ModeKeys, worker: str | None, reading: Any) -> Any:
        self._be_saved(step, mode)
        if worker is not None and worker not in self.trial.log.workers_of(self.name, step, mode):
            raise InvalidWorker(worker)
        try:
            return reading()
        except NotFound as error:
            has_reductions = bool(self.trial.log.stored_reductions(self.name, step, mode))
            raise TensorUnavailableForStep(self.name, step, mode, has_reductions) from error
        except StorageFailed as error:
            raise SMDebugRuntimeError(str(error)) from error

    def _be_saved(self, step: int, mode: ModeKeys) -> None:
        """Return when this tensor was saved at the step; else say with an exception what is to be expected."""
        if self._is_saved(step, mode):
            return
        self.trial.maybe_refresh(self.name)
        if self._is_saved(step, mode):
            return
        state = self.trial.has_passed_step(step, mode)
        if state is StepState.AVAILABLE:
            raise TensorUnavailableForStep(self.name, step, mode)
        if state is StepState.UNAVAILABLE:
            raise StepUnavailable(step, mode)
        if self.trial.loaded_all_steps:
            raise NoMoreData(step, mode, max(self.trial.steps(mode=mode), default=-1))
        raise StepNotYetAvailable(step, mode)

    def _is_saved(self, step: int, mode: ModeKeys) -> bool:
        return bool(self.trial.in_range([step], mode)) and bool(self.trial.log.workers_of(self.name, step, mode))
