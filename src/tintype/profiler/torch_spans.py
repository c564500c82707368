"""Spans of any training with torch, without a change of its script.

What is watched: the loaders' `__next__` (data wait), the forward of the modules that the script calls itself (forward;
loss, for a module of `torch.nn.modules.loss`), `torch.autograd.backward` and `grad`, the optimisers' `step`, and
`torch.save`. On a device, the time between having a batch and the forward is that of its copy. Where a step ends, and
what it was, is for `step_bounds.py` to tell.

Times are those of the Python thread: on a GPU a phase is the time to *launch* its kernels, until something waits.
"""

from __future__ import annotations

import contextlib
import time
import warnings
from collections.abc import Callable
from typing import Any, final
from weakref import WeakSet

import torch
from PIL import ImageFile
from torch import nn
from torch.compiler import is_compiling
from torch.nn.modules.loss import _Loss
from torch.nn.modules.module import register_module_forward_pre_hook
from torch.optim.optimizer import register_optimizer_step_post_hook, register_optimizer_step_pre_hook
from torch.utils.data import dataloader

from tintype.errors import StorageFailed
from tintype.hidden_hooks import HiddenHook
from tintype.profiler.compiled import has_compiled
from tintype.profiler.loader_spans import watch_workers
from tintype.profiler.phases import Outside, Phase
from tintype.profiler.span_files import Span
from tintype.profiler.span_writer import SpanWriter
from tintype.profiler.step_bounds import StepBounds
from tintype.profiler.step_spans import StepSpans

OURS_ALONE = r"Using `torch\.compile\(module\)` when there are global hooks on modules"
DISCOVERY_STEPS = 20                    # steps after which no new module is looked for: hooks on all of them cost
LONG_START = 500_000_000                # nanoseconds from a batch to the first step: it is not for that step alone


@final
class TorchSpans:
    """Watches torch in this process until `remove`. Used by the thread that trains; other threads are left alone."""

    def __init__(self, spans: StepSpans[SpanWriter], thread_id: Callable[[], int]) -> None:
        self.spans = spans
        self._steady = spans.writer.steady
        self._thread_id, self._thread = thread_id, thread_id()
        self._bounds = StepBounds()
        self._steps = 0
        self._inside = 0                                # depth of modules, loaders and backward passes
        self._fetched = 0                               # end of the last wait for data; 0: used up
        self._decoding = 0                              # in the image decoder since the wait began
        self._cpu = 0                                   # of this thread, when the work of the step began
        self._told = 0                                  # time of all phases so far
        self._begun: dict[int, int] = {}                # of modules, by id
        self._moving: dict[int, tuple[int, int]] = {}   # of optimisers, by id: when, and what was told by then
        self._known: WeakSet[nn.Module] = WeakSet()      # a new module may have the id of an old one
        self._undo: list[Callable[[], object]] = []
        self._install()

    # ------------------------------------------------------------------------------------------- installing

    def _install(self) -> None:
        warnings.filterwarnings("ignore", OURS_ALONE)    # said once by torch.compile, of the next line's hook
        discovery = register_module_forward_pre_hook(self._discover)
        self._stop_discovery = discovery.remove
        self._undo += [
            discovery.remove,
            register_optimizer_step_pre_hook(self._optimizer_starts).remove,
            register_optimizer_step_post_hook(self._optimizer_ends).remove,
        ]
        self._replace(dataloader._BaseDataLoaderIter, "__next__", self._timed_next)
        self._replace(dataloader.DataLoader, "__iter__", self._timed_iter)
        self._replace(torch.autograd, "backward", self._timed_backward)
        self._replace(torch.autograd, "grad", self._timed_backward)
        self._replace(torch.optim.Optimizer, "__init__", self._noticed_optimizer)
        self._replace(torch, "save", self._timed_save)
        self._replace(ImageFile.ImageFile, "load", self._timed_decode)
        self._undo.append(watch_workers(self.spans.writer))

    def _replace(self, owner: Any, name: str, make: Callable[[Callable[..., Any]], Callable[..., Any]]) -> None:
        original = getattr(owner, name)
        setattr(owner, name, make(original))
        self._undo.append(lambda: setattr(owner, name, original))

    def remove(self) -> None:
        """Write the last step, and leave torch as it was."""
        self._settle()
        while self._undo:
            self._undo.pop()()

    def _mine(self) -> bool:
        return self._thread_id() == self._thread

    # ------------------------------------------------------------------------------------------------ steps

    def _settle(self) -> None:
        """Write the step that could be over, if there is one."""
        if self._bounds.mode is None:
            return
        self.spans.finish(self._bounds.mode, self._bounds.end)
        self._bounds.settled()
        self._cpu = 0
        self._steps += 1
        if self._steps == DISCOVERY_STEPS and not has_compiled():   # without the hook it would be compiled again
            self._stop_discovery()

    def _add(self, phase: Phase, start: int, end: int, inside: int = 0) -> None:
        """A phase without what was told of others `inside` of it: optimisers call forward, and are called backward."""
        start = min(end, start + inside)
        self._told += end - start
        self.spans.add(phase, start, end)

    # ------------------------------------------------------------------------------------------------- data

    def _timed_next(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def timed(iterator: Any) -> Any:
            if self._inside or not self._mine():
                return original(iterator)
            self._bounds.batch_wanted(id(iterator))
            self._settle()
            self._decoding = 0
            start, cpu = self._steady(), time.thread_time_ns()
            self._inside += 1
            try:
                batch = original(iterator)
            except StopIteration:
                if self._bounds.loader_ends():
                    self.spans.drop()
                raise
            finally:
                self._inside -= 1
            self._fetched = self._steady()
            self._add(Phase.DATA_WAIT, start, self._fetched)
            self._cpu = self._cpu or time.thread_time_ns()
            self.spans.add_loading(time.thread_time_ns() - cpu, self._decoding)
            return batch

        return timed

    def _timed_iter(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def timed(loader: Any) -> Any:
            start = self._steady()
            if self._mine() and self._bounds.loader_starts():
                self.spans.drop()
            if loader.num_workers:
                self._name_worker()                     # before it is forked: its loaders are named after it
            iterator = original(loader)
            if self._mine():
                args = (("num_workers", loader.num_workers), ("pin_memory", bool(loader.pin_memory)))
                what = Outside.LOADER_START
                self.spans.writer.add(Span(what, what, start, self._steady(), args))
            return iterator

        return timed

    def _name_worker(self) -> None:
        with contextlib.suppress(StorageFailed):        # a full disk: the writer tries again
            _ = self.spans.writer.node

    def _timed_decode(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def timed(image: Any) -> Any:
            if image._im is not None:                   # it was decoded before: this only looks
                return original(image)
            start = self._steady()
            found = original(image)
            self._decoding += self._steady() - start
            return found

        return timed

    # ---------------------------------------------------------------------------------------------- modules

    def _discover(self, module: nn.Module, inputs: Any) -> None:
        """A module that the script calls itself gets hooks of its own; those inside of one do not."""
        if is_compiling() or self._inside or module in self._known or not self._mine():
            return
        self._known.add(module)
        before = HiddenHook(module, "_forward_pre_hooks", self._forward_starts)         # a saved module is without them
        after = HiddenHook(module, "_forward_hooks", self._forward_ends, always=True)
        self._undo += [before.remove, after.remove]
        # This call's own hooks were collected before these were there.
        self._forward_starts(module, inputs)

    def _forward_starts(self, module: nn.Module, inputs: Any) -> None:
        if is_compiling() or not self._mine():
            return
        self._inside += 1
        if self._inside > 1:
            return
        if self._bounds.is_another(id(module), with_gradients=torch.is_grad_enabled()):
            self._settle()
        now = self._steady()
        if not self._steps and self._fetched and now - self._fetched > LONG_START:
            self.spans.drop()                           # of a batch that all steps are made from, or none
        self._cpu = self._cpu or time.thread_time_ns()
        if self._fetched and not isinstance(module, _Loss):
            if _on_device(module):
                self._add(Phase.HOST_TO_DEVICE, self._fetched, now)
            self._fetched = 0
        self._begun[id(module)] = now

    def _forward_ends(self, module: nn.Module, inputs: Any, outputs: Any) -> None:
        if is_compiling() or not self._mine() or not self._inside:
            return
        self._inside -= 1
        start = self._begun.pop(id(module), 0)
        if self._inside or not start:
            return
        now = self._steady()
        phase = Phase.LOSS if isinstance(module, _Loss) else Phase.FORWARD
        self._add(phase, start, now)
        judged = phase is Phase.FORWARD and not (module.training and torch.is_grad_enabled())
        self._bounds.forward_ended(now, id(module), seems_evaluated=judged)

    def _timed_backward(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*given: Any, **named: Any) -> Any:
            if is_compiling() or self._inside or not self._mine():
                return original(*given, **named)
            start, told = self._steady(), self._told
            self._inside += 1
            try:
                return original(*given, **named)
            finally:
                self._inside -= 1
                now = self._steady()
                self._add(Phase.BACKWARD, start, now, self._told - told)
                self._bounds.backward_ended(now)

        return timed

    def _timed_save(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*given: Any, **named: Any) -> Any:
            start = self._steady()
            try:
                return original(*given, **named)
            finally:
                if self._mine():
                    what = Outside.CHECKPOINT
                    self.spans.writer.add(Span(what, what, start, self._steady()))

        return timed

    def _noticed_optimizer(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def noticed(optimizer: Any, *given: Any, **named: Any) -> None:
            self._bounds.optimizer_known()
            original(optimizer, *given, **named)

        return noticed

    def _optimizer_starts(self, optimizer: Any, given: Any, named: Any) -> None:
        if is_compiling():
            return
        if not self._mine() and not self._told:
            self._thread = self._thread_id()            # the main thread only waits for the one that trains
        self._bounds.optimizer_known()                  # it may have been made before anybody looked
        if self._mine():
            self._moving[id(optimizer)] = self._steady(), self._told

    def _optimizer_ends(self, optimizer: Any, given: Any, named: Any) -> None:
        if is_compiling():
            return
        start, told = self._moving.pop(id(optimizer), (0, 0))
        if start and self._mine():
            now = self._steady()
            self._add(Phase.OPTIMIZER, start, now, self._told - told)
            if self._cpu:
                self.spans.set_working(time.thread_time_ns() - self._cpu)
            self._bounds.optimizer_moved(id(optimizer), now)


def _on_device(module: nn.Module) -> bool:
    parameter = next(module.parameters(), None)
    return parameter is not None and parameter.device.type != "cpu"
