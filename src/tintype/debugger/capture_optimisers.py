"""Optimisers as they are made and as they step, and the GradScaler before them: what tells one step from the next.

A step of training ends when an optimiser has stepped, or when a GradScaler skipped that because a gradient was not
finite: a training that diverges in half precision would otherwise seem to stand still.
"""

from __future__ import annotations

import functools
import weakref
from collections.abc import Callable, Iterator
from typing import Any, Protocol, final

from torch import Tensor
from torch.amp.grad_scaler import GradScaler
from torch.nn import Module
from torch.optim.optimizer import Optimizer, register_optimizer_step_post_hook
from torch.utils.hooks import RemovableHandle

from tintype.debugger.naming import learning_rate_name, state_name


class StepListener(Protocol):
    """Who wants to hear that an optimiser was made, and that it made its step or was made to skip it."""

    def optimiser_made(self, optimiser: Optimizer) -> None: ...

    def optimiser_stepped(self, optimiser: Optimizer) -> None: ...


@final
class _Watch:
    """Replaces the constructor of optimisers and two methods of GradScaler while somebody listens."""

    def __init__(self) -> None:
        self._listeners: tuple[StepListener, ...] = ()
        self._handle: RemovableHandle | None = None
        self._originals: list[tuple[type, str, Callable[..., Any]]] = []
        self._optimisers: weakref.WeakSet[Optimizer] = weakref.WeakSet()
        self._scaler: Callable[[], GradScaler | None] = lambda: None
        self._steps = 0

    def add(self, listener: StepListener) -> None:
        """Tell `listener` of every step from now on."""
        if not self._listeners:
            self._handle = register_optimizer_step_post_hook(self._stepped)
            self._replace(Optimizer, "__init__", self._making)
            self._replace(GradScaler, "scale", self._scaling)
            self._replace(GradScaler, "step", self._stepping)
        if listener not in self._listeners:
            self._listeners = (*self._listeners, listener)

    def remove(self, listener: StepListener) -> None:
        """Tell it no more; with the last one everything is as it was."""
        self._listeners = tuple(one for one in self._listeners if one is not listener)
        if not self._listeners and self._handle is not None:
            self._handle.remove()
            self._handle = None
            for owner, name, original in self._originals:
                if getattr(getattr(owner, name), "__wrapped__", None) is original:
                    setattr(owner, name, original)
            self._originals = []

    def note(self, optimiser: Optimizer) -> None:
        """Know an optimiser that was made before anybody listened."""
        self._optimisers.add(optimiser)

    def optimisers(self) -> list[Optimizer]:
        """The optimisers that are known and still live."""
        return list(self._optimisers)

    def trains(self, module: Module) -> bool:
        """Whether a known optimiser changes a parameter of `module`."""
        return any(trains(one, module) for one in self._optimisers)

    def scale(self) -> Tensor | None:
        """What the loss was multiplied with, on its device; None without a GradScaler."""
        scaler = self._scaler()
        return scaler._scale if scaler is not None else None

    def _replace(self, owner: type, name: str, wrap: Callable[[Callable[..., Any]], Callable[..., Any]]) -> None:
        original = getattr(owner, name)
        self._originals.append((owner, name, original))
        setattr(owner, name, functools.wraps(original)(wrap(original)))

    def _making(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def make(optimiser: Optimizer, *args: Any, **kwargs: Any) -> None:
            original(optimiser, *args, **kwargs)
            self._optimisers.add(optimiser)
            for listener in self._listeners:
                listener.optimiser_made(optimiser)

        return make

    def _scaling(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def scale(scaler: GradScaler, outputs: Any) -> Any:
            if scaler.is_enabled():
                self._scaler = weakref.ref(scaler)
            return original(scaler, outputs)

        return scale

    def _stepping(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def step(scaler: GradScaler, optimiser: Optimizer, *args: Any, **kwargs: Any) -> Any:
            before = self._steps
            result = original(scaler, optimiser, *args, **kwargs)
            if self._steps == before:                           # skipped
                self._stepped(optimiser, (), {})
            return result

        return step

    def _stepped(self, optimiser: Optimizer, args: Any, kwargs: Any) -> None:
        self._steps += 1
        self._optimisers.add(optimiser)
        for listener in self._listeners:
            listener.optimiser_stepped(optimiser)


WATCH = _Watch()


def learning_rates(optimisers: list[Optimizer]) -> Iterator[tuple[str, float | Tensor]]:
    """(name, learning rate) of each parameter group."""
    for optimiser in optimisers:
        for number, group in enumerate(optimiser.param_groups):
            if "lr" in group:
                yield learning_rate_name(type(optimiser).__name__, number), group["lr"]


def states(optimisers: list[Optimizer], names: dict[int, str]) -> Iterator[tuple[str, Tensor]]:
    """(name, tensor) of what optimisers remember of the parameters that `names` has by their `id`."""
    for optimiser in optimisers:
        for parameter, state in optimiser.state.items():
            name = names.get(id(parameter))
            for key, value in state.items() if name else ():
                if isinstance(value, Tensor):
                    yield state_name(key, str(name)), value


def trains(optimiser: Optimizer, module: Module) -> bool:
    """Whether `optimiser` changes a parameter of `module`."""
    parameters = {id(one) for one in module.parameters()}
    return any(id(one) in parameters for group in optimiser.param_groups for one in group["params"])
