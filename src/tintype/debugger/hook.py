"""The hook: it follows a network through its steps and saves what its configuration asks for.

    hook = Hook(HookConfiguration.read("debughookconfig.json"))
    hook.register_module(model)
    hook.register_loss(criterion)           # only for losses of one's own: PyTorch's are seen without it
    hook.set_mode(Mode.TRAIN)

    root called ─→ a step begins ─→ is anything due? ─ no ─→ (nothing until the root is called again)
                                          └ yes ─→ weights; then layers, losses, gradients as they come ─→ the writer

Between the steps that are saved, the network has one hook on its root and no other. What goes wrong in here is noted
and costs the training nothing but what was to be saved: every way in from PyTorch goes through the `HookGuard`.
"""

from __future__ import annotations

import atexit
import logging
import multiprocessing
import time
import weakref
from collections.abc import Callable, Sequence
from multiprocessing.util import Finalize
from typing import Any, final

import torch
from torch import Tensor
from torch.nn import Module
from torch.optim.optimizer import Optimizer

from tintype.debugger import capture_losses, capture_optimisers
from tintype.debugger.capture_losses import LossCall
from tintype.debugger.capture_plan import CapturePlan
from tintype.debugger.capture_tensors import tensors_in, watching_is_safe
from tintype.debugger.collection import Collection
from tintype.debugger.configuration import HookConfiguration
from tintype.debugger.hook_guard import HookGuard
from tintype.debugger.hook_log import HookLog
from tintype.debugger.hook_steps import HookSteps
from tintype.debugger.modes import Mode
from tintype.debugger.naming import ModuleNames, scalar_name
from tintype.debugger.samples import TRAINING
from tintype.debugger.step_record import DatedNumber
from tintype.debugger.steps import Accounting
from tintype.errors import InvalidRequest
from tintype.hidden_hooks import HiddenHook

logger = logging.getLogger(__name__)

MOST_IDLE = 32          # forward passes in training that an optimiser may wait before its first step of all
REGISTERED: list[Callable[[Any], None]] = []        # called with each hook that a network is registered with


@final
class Hook:
    """Saves tensors of one training into one log. Its methods are for the thread that trains.

    `accounting` says what a step is; `worker` and `workers` are found out from `torch.distributed` unless given;
    `resume` goes on with the numbers of a log that is there already, ended or not. Of several workers only the first
    writes, unless the configuration says all. Nothing is written before something is saved. A pickled hook is None: a
    saved network loads without us.
    """

    def __init__(
        self,
        configuration: HookConfiguration,
        *,
        accounting: Accounting = Accounting.FORWARDS,
        worker: tuple[str, int] | None = None,
        resume: bool = False,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.configuration = configuration
        self.accounting = accounting
        self.plan = CapturePlan(configuration, extras=accounting is Accounting.OPTIMISER_STEPS)
        self.names = ModuleNames()
        self.find_ids: Callable[[int], Sequence[str]] = lambda size: ()     # the ids of a batch of that size
        self._log = HookLog(configuration, worker, resume=resume, clock=clock)
        self.guard = HookGuard(self._note, self._leave)
        self._steps = HookSteps(self.plan, self.names, self._log, self.guard)
        self._began_after = self.step                   # that of another process, whose log this one goes on with
        self._mode: Mode | None = Mode.GLOBAL if accounting is Accounting.FORWARDS else None    # None: the module's
        self._pending_ids: list[str] = []
        self._hooks: dict[int, list[HiddenHook]] = {}   # by the id of the module
        self._calls = 0                                 # of roots
        self._calls_at: weakref.WeakKeyDictionary[Optimizer, int] = weakref.WeakKeyDictionary()     # at its last step
        self._ours: weakref.WeakKeyDictionary[Optimizer, bool] = weakref.WeakKeyDictionary()    # it trains a root
        self._adopted: weakref.WeakSet[Optimizer] = weakref.WeakSet()
        self._taught: set[int] = set()                  # roots that an optimiser trains, by their id
        self._has_stepped = True
        self._ever_stepped = False
        self._idle_calls = 0                            # of roots in training, before the first step of all
        self._has_trained = False                       # what is followed now
        self._trainings = 0                             # before it
        capture_losses.listen(self)
        capture_optimisers.WATCH.add(self)
        atexit.register(_close_at_exit, weakref.ref(self))
        if multiprocessing.parent_process() is not None:        # one that was forked ends without the above
            Finalize(None, _close_at_exit, (weakref.ref(self),), exitpriority=0)

    # --- what is watched -------------------------------------------------------------------------------------------

    def register_module(self, module: Module) -> None:
        """Watch a network. Each that is registered counts steps. `InvalidRequest` for anything but a module."""
        if not isinstance(module, Module):
            raise InvalidRequest(f"register_module needs a torch.nn.Module, got {type(module).__name__}")
        if id(module) in self._hooks:
            return
        for hear in list(REGISTERED):
            hear(self)
        self.names.add_root(module)
        self._ours.clear()
        self._hooks[id(module)] = [HiddenHook(module, "_forward_pre_hooks", self._root_called)]

    def register_loss(self, loss: Module) -> None:
        """Watch a loss of one's own; it is called by its class. `InvalidRequest` for anything but a module."""
        if not isinstance(loss, Module):
            raise InvalidRequest(
                f"register_loss needs a torch.nn.Module, got {type(loss).__name__}; a function's result can be given to"
                " record_tensor_value, and those of torch.nn.functional are seen by themselves"
            )
        if id(loss) in self._hooks:
            return
        name = type(loss).__name__
        self.plan.add_member("losses", f"{name}_output_0")
        self._steps.due_again()
        self._hooks[id(loss)] = [
            HiddenHook(loss, "_forward_pre_hooks", _loss_called),
            HiddenHook(loss, "_forward_hooks", lambda module, args, out: self._loss_returned(name, args, out)),
        ]

    def adopt(self, optimiser: Optimizer, module: Module | None) -> None:
        """Follow a training by `optimiser` alone: nobody sees `module` being called, or there is none."""
        self._adopted.add(optimiser)
        if module is not None:
            self.names.add_root(module)
        self._ours.clear()
        self._calls_at[optimiser] = self._calls
        self.guard(lambda: self._begin(self._mode or Mode.TRAIN))       # the step after the one it has just made

    def register_optimiser(self, optimiser: Optimizer) -> None:
        """Know of an optimiser that was made before the hook."""
        capture_optimisers.WATCH.note(optimiser)

    def follow(self, module: Module, args: tuple[Any, ...]) -> None:
        """Watch `module`, which is being called with `args`, instead of all others.

        A step that has begun with another network, and in which no optimiser has stepped, begins again with this one.
        """
        again = self._steps.capture is not None and not self._has_stepped
        if self._has_trained:
            self._trainings += 1
            self._has_trained = False
            self._steps.wait(Mode.TRAIN, TRAINING, self._trainings)
        for other in [one for _, one in self.names.roots() if one is not module]:
            self.unregister(other)
        self.register_module(module)
        if again and self._steps.capture is not None:
            self._steps.retreat()
        self._root_called(module, args)

    def join(self, module: Module, args: tuple[Any, ...]) -> None:
        """Watch `module` too, which is being called with `args` and belongs to the same training."""
        self.register_module(module)
        if self._steps.capture is not None and not self._has_stepped:
            self.guard(self._steps.capture.begin_again)        # what was taken so far was taken without it
        self._root_called(module, args)

    @property
    def lacks_loss(self) -> bool:
        """Whether losses are saved at the present step, and none has been seen in it."""
        capture = self._steps.capture
        return self.wants_losses and capture is not None and not capture.has_loss

    def unregister(self, module: Module) -> None:
        """Leave a network or a loss alone."""
        for one in self._hooks.pop(id(module), []):
            one.remove()
        self._taught.discard(id(module))
        self.names.drop_root(module)

    def add_collection(self, collection: Collection) -> None:
        """Save a collection too, from the next step on."""
        self.plan.add(collection)

    # --- what a script says ----------------------------------------------------------------------------------------

    def set_mode(self, mode: Mode | None) -> None:
        """The mode of the steps to come; None takes it from the network: training with gradients, or not."""
        self._mode = mode

    @property
    def step(self) -> int:
        """The number of the present step over all modes; -1 before the first."""
        return self._steps.count.step

    @property
    def mode(self) -> Mode | None:
        """The mode that was set, or else that of the present step."""
        return self._mode or self._steps.count.mode

    def mode_step(self, mode: Mode) -> int:
        """The number of the last step of `mode`; -1 before its first."""
        return self._steps.count.mode_step(mode)

    @property
    def failures(self) -> dict[str, int]:
        """What went wrong in here so far, and how often."""
        return dict(self._log.failures)

    @property
    def is_saving(self) -> bool:
        """Whether anything that the configuration asks for is due at the present step."""
        return self._steps.is_saving

    def save_scalar(self, name: str, value: Any, *, wall_time: float | None = None) -> None:
        """Save one number in the present step, whatever is due. `InvalidRequest` for more than one number.

        `wall_time` (seconds since the epoch) is the time it belongs to, where that is not the time of the step.
        """
        if isinstance(value, Tensor):
            value = value.detach().cpu()
        number = getattr(value, "item", lambda: value)() if getattr(value, "size", 1) == 1 or (
            isinstance(value, Tensor) and value.numel() == 1) else value  # fmt: skip
        if not isinstance(number, int | float | bool):
            raise InvalidRequest(f"save_scalar({name!r}) takes one number, got {type(value).__name__}")
        saved = float(number) if wall_time is None else DatedNumber(float(number), wall_time)
        mode = self.mode
        if mode is not None and (self._steps.count.mode is not mode):
            self._steps.wait(mode, scalar_name(name), saved)
        else:
            self.guard(lambda: self._steps.put(scalar_name(name), saved))

    def save_tensor(self, name: str, value: Any, collection: str = "default") -> None:
        """Save a tensor or an array under `name`, at the steps at which `collection` is due."""
        self.guard(lambda: self._steps.save_tensor(name, value, collection, self._mode))

    def record_tensor_value(self, name: str, value: Tensor) -> None:
        """Take a tensor as the output of something called `name`: it is saved if a collection wants it."""
        self.guard(lambda: self._steps.take(name, "output", value))

    def record_samples(self, ids: Sequence[str]) -> None:
        """What names the samples of the batch that is about to enter the network, in their order."""
        self._pending_ids = [str(one) for one in ids]

    def flush(self) -> None:
        """Wait until the steps that are over are written; for who reads the log in the process that writes it."""
        self._log.flush()

    def close(self, *, end: bool = True) -> None:
        """Save what is pending, end the log (or, with `end=False`, let another process go on), and leave.

        The second time does nothing.
        """
        if not self.guard.is_awake:
            return
        self.guard(self._steps.end_last)
        self.guard(lambda: self._log.close(self.plan.described(), end=end))
        for one in self.plan.matched_nothing() if self.step > self._began_after else ():
            logger.warning("collection %r: no tensor matched %s", one.name, ", ".join(one.include_regex) or "its name")
        if self._steps.lacked_losses:
            logger.warning("no loss was seen in any step: one that is computed in compiled code or TorchScript cannot"
                           " be; a script can give it to hook.record_tensor_value or hook.save_scalar")  # fmt: skip
        self.guard.stand_down()

    def __enter__(self) -> Hook:
        return self

    def __exit__(self, *details: object) -> None:
        self.close()

    def __reduce__(self) -> Any:
        return type(None), ()

    def __deepcopy__(self, memo: dict[int, Any]) -> Hook:
        return self

    def optimiser_made(self, optimiser: Optimizer) -> None:
        """An optimiser was constructed."""

    # --- what PyTorch tells us -------------------------------------------------------------------------------------

    def _root_called(self, module: Module, args: tuple[Any, ...]) -> None:
        if torch.compiler.is_compiling():
            return
        if self.guard.is_awake and watching_is_safe():
            self.guard(lambda: self._enter(module, args))

    def _enter(self, module: Module, args: tuple[Any, ...]) -> None:
        self._calls += 1
        mode = self._mode or (Mode.TRAIN if module.training and torch.is_grad_enabled() else Mode.EVAL)
        if not self._goes_on(module, mode):
            self._begin(mode)
        for one in capture_optimisers.WATCH.optimisers() if mode is Mode.TRAIN else ():
            if one not in self._ours and capture_optimisers.trains(one, module):
                self._ours[one] = True                  # by the time it steps the parameters may be elsewhere
                self._taught.add(id(module))
        ids, self._pending_ids = self._pending_ids, []
        if (capture := self._steps.capture) is not None:
            size = next((len(one) for one in tensors_in(args) if one.ndim), 0)
            capture.forward(module, args, ids or (self.find_ids(size) if capture.wants_samples else ()))

    def _goes_on(self, module: Module, mode: Mode) -> bool:
        """A further forward pass of the step that has begun: the next micro-batch, or the same network once more."""
        if self.accounting is Accounting.FORWARDS or {mode, self._steps.count.mode} != {Mode.TRAIN}:
            return False
        if not self._ever_stepped:
            self._idle_calls += 1
            if self._idle_calls > MOST_IDLE:            # optimizer.step() seems to be missing: the passes are the steps
                return False
        taught = id(module) in self._taught or capture_optimisers.WATCH.trains(module)
        return taught and not self._has_stepped

    def optimiser_stepped(self, optimiser: Optimizer) -> None:
        """An optimiser made its step, or a GradScaler skipped it. Whoever has neither may call this."""
        if not self.guard.is_awake:
            return
        silent, self._calls_at[optimiser] = self._calls_at.get(optimiser, 0) == self._calls, self._calls
        if optimiser not in self._ours:
            roots = [root for _, root in self.names.roots()]
            self._ours[optimiser] = optimiser in self._adopted or any(
                capture_optimisers.trains(optimiser, one) for one in roots
            )
        if not self._ours[optimiser]:
            return
        self._has_stepped = self._has_trained = self._ever_stepped = True
        if self._steps.capture is not None:
            self.guard(lambda: self._steps.capture.stepped(optimiser) if self._steps.capture else None)
        if silent:
            self.guard(lambda: self._begin(self._mode or Mode.TRAIN))      # the root runs inside of compiled code

    @property
    def wants_losses(self) -> bool:
        """Whether losses of the present step are saved."""
        return self.is_saving and self.guard.is_awake

    def loss_computed(self, call: LossCall) -> None:
        """A loss of PyTorch was computed, or a registered one.

        In a step of training one that has no gradient is none of it: a copy of the network is judged, or samples are.
        """
        judged = self._mode is None and not any(one.requires_grad for one in call.outputs)
        if not (judged and call.outputs and self._steps.count.mode is Mode.TRAIN):
            self.loss_differentiated(call)

    def loss_differentiated(self, call: LossCall) -> None:
        """As `loss_computed`, of what is surely trained."""
        self.guard(lambda: self._steps.capture.loss(call) if self._steps.capture else None)

    def _loss_returned(self, name: str, args: tuple[Any, ...], output: Any) -> None:
        if torch.compiler.is_compiling():
            return
        capture_losses.leave_loss()
        if self.wants_losses and watching_is_safe():
            self.loss_computed(LossCall(name, args, output, {}))

    def _begin(self, mode: Mode) -> None:
        capture_losses.leave_all_losses()
        self._has_stepped = False
        due = self._steps.begin(mode, any_mode=self._mode is None)
        if due is not None and due.beyond_losses:
            self._ours.clear()                          # a network may have got another head
        if self._steps.capture is not None:
            self._steps.capture.begin()

    # --- what goes wrong -------------------------------------------------------------------------------------------

    def _note(self, error: Exception) -> int:
        return self._log.note(error, self._steps.count.moment(self._log.clock()))

    def _leave(self) -> None:
        capture_losses.stop_listening(self)
        capture_optimisers.WATCH.remove(self)
        self._steps.drop()
        for hooks in self._hooks.values():
            for one in hooks:
                one.remove()
        self._hooks = {}


def _loss_called(module: Module, args: tuple[Any, ...]) -> None:
    if not torch.compiler.is_compiling():
        capture_losses.enter_loss()


def _close_at_exit(reference: weakref.ref[Hook]) -> None:
    if (hook := reference()) is not None:
        hook.close()
