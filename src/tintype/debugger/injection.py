"""The debugger in a script that never mentions it.

    install(configuration)      before the script makes its network: `startup.py` does it when torch is imported

The network is found by being called: a module that no other module called is a root, and the largest root that is
called in training, by the number of its parameters, is the one that is watched. So are roots that optimisers train
beside it: the other half of a GAN, the head behind an encoder. The search has a hook on every module of the process; it
ends with the first step of an optimiser, when all optimisers train what is watched, and begins again when another is
made (the next fold, the next phase). A hook that the script makes and registers itself takes over.
"""

from __future__ import annotations

import atexit
import logging
import os
import re
import warnings
import weakref
from collections.abc import Sequence
from typing import Any, final

import torch
from torch import Tensor
from torch.nn import Module
from torch.nn.modules.loss import _Loss
from torch.nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook
from torch.optim.optimizer import Optimizer

from tintype.debugger import capture_losses, capture_optimisers, hook, samples
from tintype.debugger.capture_backward import DifferentiationWatch, differentiated
from tintype.debugger.capture_loaders import LoaderWatch
from tintype.debugger.capture_losses import LossCall
from tintype.debugger.capture_tensors import watching_is_safe
from tintype.debugger.configuration import HookConfiguration
from tintype.debugger.hook import Hook
from tintype.debugger.owners import owner_of
from tintype.debugger.steps import Accounting

MOST_CALLS = 50             # of roots with parameters, without an optimiser's step, after which the search ends
MOST_ROOTS = 8              # that are watched at once
LOSS_NAME = re.compile(r"loss|criterion", re.IGNORECASE)
BUILT_IN_LOSSES = "torch.nn.modules.loss"
COMPILED = "OptimizedModule"
WARNING = r"Using `torch\.compile\(module\)` when there are global hooks"

logger = logging.getLogger(__name__)


@final
class Injection:
    """Finds networks and losses for `hook`, from `start` to `stop`."""

    def __init__(self, injected: Hook) -> None:
        self.hook = injected
        self._loaders = LoaderWatch()
        self._handles: list[Any] = []
        self._names: samples.Names | None = None                # of the samples of the next batch, where they are told
        self._outermost: weakref.ref[Module] | None = None      # the root that runs
        self._watched: weakref.ref[Module] | None = None
        self._is_sure = False                                   # that the watched one was called in training
        self._calls = 0
        self._traced = 0                                        # calls of modules whose tensors were no values
        self._unknown: weakref.WeakSet[Optimizer] = weakref.WeakSet()   # which train nothing that was called
        self._process = os.getpid()
        self._differentiations = DifferentiationWatch(self._differentiating)

    def start(self) -> None:
        """Begin to search, and to note batches."""
        warnings.filterwarnings("ignore", message=WARNING)      # they are ours, and gone when it would matter
        self._loaders.start()
        self.hook.find_ids = self._ids
        samples.LISTENERS.append(self._announced)
        capture_optimisers.WATCH.add(self)
        hook.REGISTERED.append(self._registered)
        self._differentiations.start()
        self._search()

    def stop(self) -> None:
        """Leave PyTorch as it was. What the hook has saved stays; the second time does nothing."""
        self._end_search()
        self._loaders.stop()
        if self._announced in samples.LISTENERS:
            samples.LISTENERS.remove(self._announced)
        capture_optimisers.WATCH.remove(self)
        if self._registered in hook.REGISTERED:
            hook.REGISTERED.remove(self._registered)
        self._differentiations.stop()

    def close(self) -> None:
        """Stop, end the log, and say what could not be seen."""
        self.stop()
        self.hook.close()
        if self.hook.step < 0 and os.getpid() == self._process and (why := self._why_nothing()):
            logger.warning("the debugger saved nothing: %s", why)

    def _why_nothing(self) -> str:
        if self._traced:
            return "the network ran only in torch.func or while it was traced, where its tensors have no values"
        if self._unknown:
            return "optimisers made their first steps only, and no network was called"
        return ""

    # --- the search ------------------------------------------------------------------------------------------------

    def _search(self) -> None:
        if not self._handles:
            self._calls = 0
            self._is_sure = False
            self._handles = [
                register_module_forward_pre_hook(self._called),
                register_module_forward_hook(self._returned, always_call=True),
            ]

    def _end_search(self) -> None:
        for one in self._handles:
            one.remove()
        self._handles, self._outermost = [], None

    def _called(self, module: Module, args: tuple[Any, ...]) -> None:
        if torch.compiler.is_compiling() or self._outermost is not None:
            return
        if not watching_is_safe():
            self._traced += 1
            return
        self._outermost = weakref.ref(module)
        try:
            self._consider(module, args)
        except Exception as error:                              # the debugger must not break what it watches
            self._end_search()
            logger.error("the debugger cannot watch %s: %s", type(module).__name__, error, exc_info=error)

    def _returned(self, module: Module, args: tuple[Any, ...], output: Any) -> None:
        if torch.compiler.is_compiling() or self._outermost is None:
            return
        if self._outermost() is module:
            self._outermost = None

    def _consider(self, module: Module, args: tuple[Any, ...]) -> None:
        if self._is_loss(module):
            if not type(module).__module__.startswith(BUILT_IN_LOSSES):      # those are seen by their functions
                self.hook.register_loss(module)
                capture_losses.enter_loss()                     # it is running already: its own hook comes too late
            return
        if next(module.parameters(), None) is None:             # torchvision's transforms, called for each image
            return
        self._calls += 1
        if self._is_better(module):
            self._watched = weakref.ref(module)
            self._is_sure = _is_training(module)
            self.hook.follow(module, args)
        elif self._belongs(module):
            self.hook.join(module, args)
        if self._calls > MOST_CALLS or type(module).__name__ == COMPILED:
            self._end_search()                                  # a hook on all modules would be compiled too

    def _is_better(self, module: Module) -> bool:
        watched = self._watched() if self._watched is not None else None
        size = parameter_count(module)
        if module is watched:
            self._is_sure = self._is_sure or _is_training(module)
        if size == 0 or any(one is module for _, one in self.hook.names.roots()):
            return False
        if watched is None:
            optimisers = capture_optimisers.WATCH.optimisers()
            return _is_training(module) or not optimisers or capture_optimisers.WATCH.trains(module)
        if not _is_training(module):
            return False
        return not self._is_sure or (size > parameter_count(watched) and not self._belongs(module))

    def _belongs(self, module: Module) -> bool:
        """Whether `module` is trained beside what is watched, and has nothing in common with it."""
        roots = [one for _, one in self.hook.names.roots()]
        if not self._is_sure or not roots or len(roots) >= MOST_ROOTS or not _is_training(module):
            return False
        known = {id(one) for root in roots for one in root.parameters()}
        if any(id(one) in known for one in module.parameters()):
            return False
        return all(capture_optimisers.WATCH.trains(one) for one in (module, *roots))

    def _is_loss(self, module: Module) -> bool:
        if isinstance(module, _Loss):
            return True
        watched = self._watched() if self._watched is not None else None
        most = parameter_count(watched) if watched is not None else 1
        return bool(LOSS_NAME.search(type(module).__name__)) and parameter_count(module) < most

    # --- what happens beside it ------------------------------------------------------------------------------------

    def optimiser_made(self, optimiser: Optimizer) -> None:
        """Something else may be trained from now on."""
        if os.getpid() != self._process and self.hook.step < 0:         # forked by a launcher, which trains nothing
            install(self.hook.configuration)
        else:
            self._search()

    def optimiser_stepped(self, optimiser: Optimizer) -> None:
        """What is trained is found, if no optimiser trains anything else."""
        if self._handles and self._watched is None and not self._calls and self.hook.step < 0:
            self._unseen(optimiser)
        watched = self._watched() if self._watched is not None else None
        if self._handles and watched is not None and self._outermost is None and self._is_sure and self._has_all():
            self._end_search()

    def _unseen(self, optimiser: Optimizer) -> None:
        """Follow a training of which no call was seen in a whole step: it runs in compiled code, or has no modules."""
        if optimiser not in self._unknown:
            self._unknown.add(optimiser)
            self.hook.adopt(optimiser, owner_of(optimiser))

    def _has_all(self) -> bool:
        roots = [one for _, one in self.hook.names.roots()]
        return all(
            any(capture_optimisers.trains(one, root) for root in roots) for one in capture_optimisers.WATCH.optimisers()
        )

    def _announced(self, names: samples.Names) -> None:
        self._names = names

    def _ids(self, size: int) -> Sequence[str]:
        """What names the samples of a batch of `size` that enters the network now."""
        if self._names is None:
            return self._loaders.ids(size)
        names, self._names = self._names(), None
        return names if len(names) == size else ()

    def _registered(self, registered: Hook) -> None:
        if registered is not self.hook:
            self.stop()
            self.hook.close(end=False)

    def _differentiating(self, tensors: Any, gradients: Any) -> None:
        if self.hook.lacks_loss and watching_is_safe():
            self.hook.guard(lambda: self._take_loss(differentiated(tensors, gradients)))

    def _take_loss(self, loss: Tensor | None) -> None:
        if loss is not None:
            self.hook.loss_differentiated(LossCall("Loss", (), _unscaled(loss), {}))       # of the script's own making


def _unscaled(loss: Tensor) -> Tensor:
    scale = capture_optimisers.WATCH.scale()
    return loss.detach() if scale is None else loss.detach() / scale.to(loss.device)


def _is_training(module: Module) -> bool:
    return module.training and torch.is_grad_enabled() and any(one.requires_grad for one in module.parameters())


def parameter_count(module: Module) -> int:
    """How many numbers a network has, not counting those of layers that have yet to see their first batch."""
    return sum(one.numel() for one in module.parameters() if not torch.nn.parameter.is_lazy(one))


_ACTIVE: list[Injection] = []


def install(
    configuration: HookConfiguration, *, worker: tuple[str, int] | None = None, resume: bool = True
) -> Injection:
    """Watch whatever is trained in this process from now on. Another one that is installed is stopped and closed.

    A log that is there already is of the same job, which goes on after it was stopped; without `resume` it is an error.
    """
    uninstall()
    injection = Injection(Hook(configuration, accounting=Accounting.OPTIMISER_STEPS, worker=worker, resume=resume))
    injection.start()
    _ACTIVE.append(injection)
    atexit.register(uninstall)
    return injection


def uninstall() -> None:
    """Stop watching, and end the log."""
    while _ACTIVE:
        _ACTIVE.pop().close()


