"""What a step that is saved is made of, and when each part of it is taken.

    begin      weights, biases, buffers; the optimiser's state and learning rates
    forward    inputs and outputs of layers; which samples they are
    loss       inputs and outputs of losses; the loss of each sample
    backward   gradients, after each backward pass
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, final

import torch
from torch import Tensor
from torch.nn import Module
from torch.nn.parameter import is_lazy
from torch.optim.optimizer import Optimizer

from tintype.debugger.capture_fingerprints import fingerprints
from tintype.debugger.capture_gradients import BackwardWatch, LeftGradients, unscaled
from tintype.debugger.capture_losses import LossCall, losses_of_samples
from tintype.debugger.capture_modules import Guard, ModuleWatch, take
from tintype.debugger.capture_optimisers import WATCH, learning_rates, states
from tintype.debugger.capture_plan import BROAD, LEARNING_RATES, OPTIMISER, SAMPLES, DueCollections
from tintype.debugger.capture_step import Named, OpenStep
from tintype.debugger.capture_tensors import tensors_in
from tintype.debugger.modes import Mode
from tintype.debugger.naming import LEFT_GRADIENTS, ModuleNames, gradient_name
from tintype.debugger.samples import FINGERPRINTS, IDS, LABELS, LOSSES, PREDICTIONS

MOST_FORWARDS = 16          # forward passes of one step whose layers are saved
FINGERPRINTED = "fingerprints"          # the collection that asks for them
WITH_GRADIENTS = (Mode.TRAIN, Mode.GLOBAL)


@final
class StepCapture:
    """Fills one open step. What raises in here is the hook's to catch, except in what PyTorch calls: `guard`."""

    def __init__(self, step: OpenStep, names: ModuleNames, guard: Guard, *, any_mode: bool = False) -> None:
        self.step = step
        self.has_loss = False
        self._any_mode = any_mode                       # gradients count in an evaluation too: it may be a training
        self._names = names
        self._guard = guard
        self._forwards = 0
        self._modules: ModuleWatch | None = None
        self._backward: BackwardWatch | None = None
        self._left = LeftGradients()
        self._parameters: list[Named] = []              # whose gradients are wanted
        self._images = 0                                # that entered a root
        self._answered: Counter[tuple[str, int]] = Counter()        # rows that a loss of so many classes was given
        self._ids: list[str] = []
        self._prints: list[Tensor] = []                 # of the images of each forward pass
        self._samples: dict[int, list[tuple[Tensor, Tensor, Tensor]]] = {}     # by the number of classes

    @property
    def wants_samples(self) -> bool:
        """Whether samples are due."""
        return self.step.due is not None and self.step.due.has(SAMPLES)

    def begin(self) -> None:
        """Take what does not change until the optimiser's step."""
        due = self.step.due
        if due is None:
            return
        if due.has(LEARNING_RATES) or due.has(OPTIMISER):
            self._take_learning_rates()
        if not due.beyond_losses:
            return
        self._names.refresh()
        parameters = [(name, one) for name, one in self._names.parameters() if not is_lazy(one)]    # without values
        parts: list[Callable[[], None]] = [
            lambda: self.step.take_all(parameters, "parameters"),
            self._take_buffers,
            lambda: self._take_states(parameters),
            lambda: self._watch_gradients(parameters),
            lambda: self._watch_modules(due),
        ]
        for part in parts:                              # one that fails takes none of the others with it
            self._guard(part)

    def begin_again(self) -> None:
        """Another network has joined those that are watched; none of them runs."""
        if self._backward is not None:
            self._backward.close()
            self._backward = None
        self.begin()

    def forward(self, root: Module, args: tuple[Any, ...], ids: Sequence[str]) -> None:
        """A root is about to run."""
        self._forwards += 1
        self._ids += ids
        self._images += next((len(one) for one in tensors_in(args) if one.ndim), 0)
        if self.step.due is not None and self.step.due.has(FINGERPRINTED):
            self._prints += [fingerprints(one) for one in tensors_in(args) if one.ndim > 1][:1]
        if self._modules is not None and self._forwards <= MOST_FORWARDS:
            if _is_compiled(root):
                self._modules.leave()
            else:
                self._modules.enter(root, args, self.step)

    def loss(self, call: LossCall) -> None:
        """A loss was computed."""
        if self._is_of_another_network(call):
            return
        self.has_loss = True
        take(self.step, call.name, "input", call.inputs)
        take(self.step, call.name, "output", call.outputs)
        if (self.wants_samples or self._ids) and (found := losses_of_samples(call)) is not None:
            self._samples.setdefault(call.inputs[0].shape[1], []).append(found)

    def _is_of_another_network(self, call: LossCall) -> bool:
        """Whether each image that is evaluated has its answer already: then a copy, or a teacher, is judged."""
        if not self._any_mode or self.step.moment.mode is not Mode.EVAL or not call.inputs or call.inputs[0].ndim != 2:
            return False
        count, question = len(call.inputs[0]), (call.name, call.inputs[0].shape[1])
        answered, self._answered[question] = self._answered[question], self._answered[question] + count
        return 0 < self._images <= answered

    def stepped(self, optimiser: Optimizer) -> None:
        """An optimiser made its step."""
        if (left := self._left.stepped(optimiser)) is not None:
            self.step.take_whole(LEFT_GRADIENTS, left)

    def end(self) -> None:
        """Stop watching, and take what was gathered over the step."""
        if self._modules is not None:
            self._modules.leave()
        if self._backward is not None:
            self._backward.close()
            self._backward = None
        self._take_samples()
        if self._prints:
            self.step.take(FINGERPRINTS, torch.cat(self._prints))
            self._prints = []

    def drop(self) -> None:
        """Forget the step."""
        self._samples, self._ids, self._prints = {}, [], []
        self.end()
        self.step.drop()

    def _take_learning_rates(self) -> None:
        for name, rate in learning_rates(WATCH.optimisers()):
            if isinstance(rate, Tensor):
                self.step.take_whole(name, rate)
            else:
                self.step.put(name, float(rate))

    def _take_states(self, parameters: list[Named]) -> None:
        if self.step.due is not None and self.step.due.has(OPTIMISER):
            by_id = {id(parameter): name for name, parameter in parameters}
            self.step.take_all(states(WATCH.optimisers(), by_id), "optimiser")

    def _watch_modules(self, due: DueCollections) -> None:
        modules = ModuleWatch(self._names, due, self._guard)
        self._modules = modules if modules.wants_anything else None

    def _take_buffers(self) -> None:
        due = self.step.due
        if due is None or not any(one.name not in BROAD for one in due.collections):
            return
        narrow = [one for one in due.collections if one.name not in BROAD]
        buffers = [(name, one) for name, one in self._names.buffers() if not is_lazy(one)]
        wanted = [(name, one) for name, one in buffers if any(each.matches(name) for each in narrow)]
        self.step.take_all(wanted, "buffers")

    def _watch_gradients(self, parameters: list[Named]) -> None:
        due = self.step.due
        counts = self._any_mode or self.step.moment.mode in WITH_GRADIENTS
        if due is None or not counts or not torch.is_grad_enabled():
            return
        # What is no leaf was put in for the call (functional_call): the gradient arrives elsewhere.
        learning = [(gradient_name(name), one) for name, one in parameters if one.requires_grad and one.is_leaf]
        self._parameters = [(name, one) for name, one in learning if due.wants(name)]
        if self._parameters:
            self._backward = BackwardWatch(
                [one for _, one in self._parameters], self._backward_begins, lambda: self._guard(self._gradients)
            )

    def _backward_begins(self) -> None:
        if self._any_mode:                              # a step is one of an optimiser, whatever the script thinks
            self._guard(lambda: self._left.look(WATCH.optimisers()))

    def _gradients(self) -> None:
        if self._backward is None:                      # a backward pass after its step: nobody waits for it
            return
        present = [(name, one.grad) for name, one in self._parameters if one.grad is not None]
        values = unscaled([one for _, one in present], WATCH.scale())
        self.step.take_all(zip([name for name, _ in present], values, strict=True), "gradients")

    def _take_samples(self) -> None:
        if not self._samples:
            if self._ids:
                self.step.put(IDS, self._ids)
            return
        losses, labels, predictions = (torch.cat(parts) for parts in zip(*self._judged(), strict=True))
        for name, values in ((LOSSES, losses), (LABELS, labels), (PREDICTIONS, predictions)):
            self.step.take_whole(name, values)
        if len(self._ids) == len(losses):
            self.step.put(IDS, self._ids)

    def _judged(self) -> list[tuple[Tensor, Tensor, Tensor]]:
        """Of several questions about the images: the first that was asked of each image, or else the first."""
        questions = list(self._samples.values())
        of_each = (parts for parts in questions if sum(len(losses) for losses, _, _ in parts) == len(self._ids))
        return next(of_each, questions[0])


def _is_compiled(root: Module) -> bool:
    """Whether the layers of `root` run in compiled code, where nobody sees them and a hook would compile it again."""
    frames = sys.modules.get("torch._dynamo.eval_frame")        # not loaded unless somebody compiles
    if frames is not None and frames._is_in_optimized_module():
        return True
    return any(one._compiled_call_impl is not None for one in root.modules())
