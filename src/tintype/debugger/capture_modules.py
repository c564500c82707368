"""What goes into the layers and comes out of them, during the forward passes of a step that is saved.

One hook on all modules of the process is put in when the root is called and taken out when it returns, so that at all
other steps the layers have no hook at all. What enters a layer is taken before it runs: an in-place ReLU overwrites it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Any, final

import torch
from torch import Tensor
from torch.nn import Module
from torch.nn.modules.module import (
    _global_forward_hooks_with_kwargs,
    register_module_forward_hook,
    register_module_forward_pre_hook,
)

from tintype.debugger.capture_plan import DueCollections
from tintype.debugger.capture_step import OpenStep
from tintype.debugger.capture_tensors import tensors_in, watching_is_safe
from tintype.debugger.naming import ModuleNames, aliases

Guard = Callable[[Callable[[], None]], None]            # runs something that must not disturb the training


@final
class ModuleWatch:
    """Takes inputs and outputs of the modules that `due` asks for, from `enter` to `leave`."""

    def __init__(self, names: ModuleNames, due: DueCollections, guard: Guard) -> None:
        self._wanted: dict[str, tuple[str, ...]] = {}
        for name, module in names.named():
            others = aliases(name, module)
            if due.wants_of_module(name, others):
                self._wanted[name] = others
        self._names = names
        self._guard = guard
        self._lock = threading.Lock()                   # DataParallel runs its copies in threads
        self._step: OpenStep | None = None
        self._root: Module | None = None
        self._handles: list[Any] = []

    @property
    def wants_anything(self) -> bool:
        """Whether there is any module to look at."""
        return bool(self._wanted)

    def enter(self, root: Module, args: tuple[Any, ...], step: OpenStep) -> None:
        """Watch one forward pass of `root`, which is about to begin with `args`."""
        self.leave()
        self._root, self._step = root, step
        self._handles = [
            register_module_forward_pre_hook(self._before),
            register_module_forward_hook(self._after, with_kwargs=True),
        ]
        self._before(root, args)                        # too late for the root to be seen by the hook

    def leave(self) -> None:
        """Stop watching; the second time does nothing."""
        for handle in self._handles:
            handle.remove()
            _global_forward_hooks_with_kwargs.pop(handle.id, None)      # which remove() forgets, in torch 2.15
        self._handles, self._root, self._step = [], None, None

    def _before(self, module: Module, args: tuple[Any, ...]) -> None:
        if not torch.compiler.is_compiling() and watching_is_safe():
            self._guard(lambda: self._take(module, "input", args))

    def _after(self, module: Module, args: tuple[Any, ...], kwargs: Mapping[str, Any], output: Any) -> None:
        if torch.compiler.is_compiling() or not watching_is_safe():
            return
        if kwargs:
            self._guard(lambda: self._take(module, "input", tuple(kwargs.values())))
        self._guard(lambda: self._take(module, "output", output))
        if module is self._root:
            self.leave()

    def _take(self, module: Module, end: str, value: Any) -> None:
        name = self._names.name_of(module)
        if self._step is None or name is None or name not in self._wanted:
            return
        with self._lock:
            take(self._step, name, end, tensors_in(value), self._wanted[name])


def take(step: OpenStep, name: str, end: str, tensors: Iterable[Tensor], others: tuple[str, ...] = ()) -> None:
    """Take tensors as the inputs or outputs (`end`) of what is called `name`, counting on within the step."""
    for tensor in tensors:
        number = step.next_number(f"{name}_{end}")
        step.take(f"{name}_{end}_{number}", tensor, [f"{other}_{end}_{number}" for other in others])
