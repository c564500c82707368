"""Which weights a training leaves as they were, and whether that is on purpose."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, final

from tintype.debugger.modes import Mode
from tintype.errors import NotFound
from tintype.rules.selection import gradient_of, weights
from tintype.rules.step_view import StepView

if TYPE_CHECKING:
    from tintype.debugger.tensor_log import TensorLog

OPS = ("min", "max", "mean", "std", "l2")
ENOUGH_STEPS = 50                       # of training, after which a weight that should learn has changed ...
ENOUGH_AFTER = 3                        # of which so many came after its first gradient
ENOUGH_SAVED = 8                        # ... at one of at least so many saved steps
FAINT = 1e-6                            # mean size of a gradient that is lost in the last bits of a weight
NOT_GIVEN = "the optimiser was not given this parameter, or its learning rate is zero"
NO_STEPS = (
    "the optimiser was given the parameters of another model, its step() is never called, or zero_grad() is called "
    "between backward() and step()"
)
TOO_SMALL = "its gradients are so small that no step changes a single bit of it: they have vanished on their way"


@final
@dataclass
class FrozenWeights:
    """Watches all weights; call `add` for each step of training."""

    first: dict[str, tuple[float | None, ...]] = field(default_factory=dict)
    order: list[str] = field(default_factory=list)          # as the hook wrote them, which is that of the layers
    changed: set[str] = field(default_factory=set)
    pushed: dict[str, float] = field(default_factory=dict)  # largest mean size of the gradient, of those that had one
    pushed_at: dict[str, int] = field(default_factory=dict)     # `steps` at the first of them
    steps: int = 0                                          # at which weights were saved
    step: int = 0                                           # the newest of them, global
    mode: Mode = Mode.TRAIN
    mode_step: int = 0
    _began: int = 0

    @property
    def enough(self) -> bool:
        """A weight that should learn would have changed by now."""
        waited = all(self._had_time(name) for name in self.pushed if name not in self.changed)
        return waited and self.steps >= ENOUGH_SAVED and self.mode_step - self._began >= ENOUGH_STEPS

    def _had_time(self, name: str) -> bool:
        """To change since its first gradient: it may have been frozen until then."""
        return self.steps - self.pushed_at[name] >= ENOUGH_AFTER or self.pushed_at[name] == 1

    def add(self, step: StepView) -> None:
        """Take the weights and gradients at `step`."""
        names = weights(step)
        images = {name: tuple(step.number(name, op) for op in OPS) for name in names}
        images = {name: image for name, image in images.items() if any(one is not None for one in image)}
        if not images:
            return
        if not self.steps:
            self._began = step.mode_step
            self.order = step.in_written_order(names)
        self.steps, self.step, self.mode, self.mode_step = self.steps + 1, step.step, step.mode, step.mode_step
        for name, image in images.items():
            if image != self.first.setdefault(name, image):
                self.changed.add(name)
            if size := step.number(gradient_of(name), "mean", absolute=True):
                self.pushed[name] = max(size, self.pushed.get(name, 0.0))
                self.pushed_at.setdefault(name, self.steps)

    def _is_scale(self, log: TensorLog, name: str) -> bool:
        """Of a normalisation. Where nothing else stands still, they are frozen on purpose, as in detection."""
        try:
            return len(log.shape(name, self.step)) == 1
        except NotFound:
            return False                # it was not saved at this step, or without its shape

    def idle(self, log: TensorLog) -> Iterator[tuple[str, str, str]]:
        """(weight, what is wrong, why) of those that should have changed."""
        still = [name for name in self.order if name not in self.changed]
        for name in still:
            if name in self.pushed and self._had_time(name):
                not_moved = NOT_GIVEN if self.changed else NO_STEPS
                cause = TOO_SMALL if self.pushed[name] < FAINT else not_moved
                yield name, f"{name} has gradients and has not changed in {self.mode_step} steps of training", cause
        learning = [place for place, name in enumerate(self.order) if name in self.changed]
        first = learning[0] if learning else len(self.order)
        behind = [name for name in self.order[first:] if name not in self.changed and name not in self.pushed]
        if len(behind) < len(learning) and not all(self._is_scale(log, name) for name in behind):
            for name in behind:
                cause = "the loss does not depend on it: it was taken of another output, or the result was detached"
                yield name, f"{name} has neither gradients nor changes, although layers before it learn", cause
