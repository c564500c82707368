"""The steps of a hook: which is the present one, what is taken of it, and when it is over and goes to the writer."""

from __future__ import annotations

from typing import Any, final

from torch import Tensor

from tintype.debugger.capture_modules import Guard, take
from tintype.debugger.capture_parts import WITH_GRADIENTS, StepCapture
from tintype.debugger.capture_plan import CapturePlan, DueCollections
from tintype.debugger.capture_staging import BufferPool
from tintype.debugger.capture_step import OpenStep
from tintype.debugger.capture_tensors import tensors_in
from tintype.debugger.hook_log import HookLog
from tintype.debugger.modes import Mode
from tintype.debugger.naming import ModuleNames


@final
class HookSteps:
    """Opens a step when something of it is due. `guard` runs what PyTorch will call in its course."""

    def __init__(self, plan: CapturePlan, names: ModuleNames, log: HookLog, guard: Guard) -> None:
        self.count = log.last_steps()
        self.capture: StepCapture | None = None             # of the present step, when anything is saved of it
        self._plan = plan
        self._names = names
        self._log = log
        self._guard = guard
        self._pool = BufferPool()
        self._with_loss = self._without_loss = 0            # steps of training in which losses were due
        self._waiting: list[tuple[Mode, str, Any]] = []     # scalars that came before their mode's first step

    @property
    def is_saving(self) -> bool:
        """Whether anything that the configuration asks for is due at the present step."""
        return self.capture is not None and self.capture.step.due is not None

    @property
    def lacked_losses(self) -> bool:
        """Whether losses were due in steps of training, and none was ever seen."""
        return self._without_loss > 0 and not self._with_loss

    def begin(self, mode: Mode, *, any_mode: bool) -> DueCollections | None:
        """End the step before, and begin the next one, of `mode`; gives what is due at it.

        With `any_mode` nobody has said the mode, so that an evaluation may be a training too.
        """
        self.end()
        due = self._plan.due(mode, self.count.advance(mode))
        if (due is None and not self._waiting) or not self._log.is_ours:
            return due
        self._log.open()                                # not at the end: an interpreter that exits starts no threads
        capture = self._open(due, any_mode=any_mode)
        here = [(name, value) for one, name, value in self._waiting if one is mode]
        self._waiting = [one for one in self._waiting if one[0] is not mode]
        for name, value in here:
            capture.step.put(name, value)
        return due

    def end(self) -> None:
        """The present step is over: what was taken of it goes to the writer."""
        capture, self.capture = self.capture, None
        if capture is None:
            return
        step = capture.step
        if step.due is not None and step.due.has("losses") and step.moment.mode in WITH_GRADIENTS:
            self._with_loss += capture.has_loss
            self._without_loss += not capture.has_loss
        capture.end()
        if not capture.step.is_empty:
            self._log.submit(capture.step.record(), self._plan.described, self._plan.member_count)

    def end_last(self) -> None:
        """As `end`, with what waits for steps that will not come."""
        waiting, self._waiting = self._waiting, []
        for _, name, value in waiting:
            self.put(name, value)
        self.end()

    def drop(self) -> None:
        """Forget what was taken of the present step."""
        if self.capture is not None:
            self.capture.drop()
            self.capture = None

    def retreat(self) -> None:
        """The present step has not been."""
        self.drop()
        self.count.retreat()

    def due_again(self) -> None:
        """The plan has changed within the present step."""
        if self.capture is not None and self.is_saving and (mode := self.count.mode):
            self.capture.step.due = self._plan.due(mode, self.count.mode_step(mode))

    def wait(self, mode: Mode, name: str, value: Any) -> None:
        """Keep a scalar for the next step of `mode`."""
        self._waiting.append((mode, name, value))

    def put(self, name: str, value: Any) -> None:
        """Save a scalar in the present step, whatever is due."""
        if self._log.is_ours:
            self._log.open()
            self._scalar_step().put(name, value)

    def save_tensor(self, name: str, value: Any, collection: str, mode: Mode | None) -> None:
        """Save a tensor or an array of a collection that is due. `mode` is the one of the steps to come, if given."""
        mode = self.count.mode or mode or Mode.GLOBAL
        if not (self._log.is_ours and self._plan.is_due(collection, mode, max(self.count.mode_step(mode), 0))):
            return
        self._plan.add_member(collection, name)
        step = self._scalar_step()
        if isinstance(value, Tensor):
            step.take_whole(name, value)
        else:
            step.put(name, value)

    def take(self, name: str, end: str, value: Any) -> None:
        """Take what entered or left (`end`) something called `name`."""
        if self.capture is not None:
            take(self.capture.step, name, end, tensors_in(value))

    def buffered_bytes(self) -> int:
        """Memory that is kept for tensors on their way to the writer."""
        return self._pool.nbytes()

    def _open(self, due: DueCollections | None, *, any_mode: bool) -> StepCapture:
        step = OpenStep(self.count.moment(self._log.clock()), due, self._pool)
        self.capture = StepCapture(step, self._names, self._guard, any_mode=any_mode)
        return self.capture

    def _scalar_step(self) -> OpenStep:
        return (self.capture or self._open(None, any_mode=False)).step
