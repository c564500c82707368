"""Where a step of a script ends, and what it was: told by what the script does, one event after the other.

Nobody says "step" in a script. With a loader, asking for the next batch ends what was done with the last one; without,
or where many steps are made from one batch, the next forward does. An optimiser that moved makes it a training step. A
batch that went through a module in evaluation mode, or without gradients, and that nothing was learnt from, was
evaluated: scripts forget the one or the other, and a teacher's answer, a frozen body and networks that learn in
evaluation mode look like it for a while.
"""

from __future__ import annotations

from typing import final

from tintype.profiler.phases import StepMode


@final
class StepBounds:
    """The step that goes on. Times are nanoseconds; modules, loaders and optimisers are known by their ids."""

    def __init__(self) -> None:
        self.mode: StepMode | None = None       # of the step, once it could be over
        self.end = 0                            # when it could be over
        self._has_loader = False                # asking for a batch tells where a step begins
        self._loader = 0                        # the iterator of the last batch
        self._is_used = False                   # of the batches of the last loader some went into a module
        self._has_optimizer = False             # else a script moves its weights by hand, after a backward pass
        self._moved: set[int] = set()           # optimisers that moved in this step
        self._moves_again = False               # one moved twice for a batch: it is the batch of many steps
        self._forwarded = self._learnt = False  # in this step
        self._evaluated: set[int] = set()       # modules that something went through that seemed not to be learnt from

    def settled(self) -> None:
        """The step is written down; the next one goes on."""
        self.mode = None
        self._forwarded = self._learnt = False
        self._moved.clear()
        self._evaluated.clear()

    # ------------------------------------------------------------------------------------------------- data

    def loader_starts(self) -> bool:
        """Another pass over a loader; whether what was fetched before was only looked at."""
        self._is_used = False
        return self.mode is None and not self._forwarded

    def batch_wanted(self, loader: int) -> None:
        """The script asks for its next batch: what became of the last one is known now."""
        if self.mode is None and self._forwarded and not self._learnt and loader == self._loader:
            self.mode = StepMode.EVAL           # of a script that knows neither eval() nor no_grad()
        self._loader, self._has_loader = loader, True

    def loader_ends(self) -> bool:
        """There are no more batches; whether none of them was used: they were looked at, or are kept for later."""
        self._has_loader = self._has_loader and self._is_used
        return not self._is_used

    # ---------------------------------------------------------------------------------------------- learning

    def is_another(self, module: int, *, with_gradients: bool) -> bool:
        """Whether a forward that begins is of another step than this one, though no batch was asked for."""
        if self.mode is StepMode.TRAIN:         # an evaluation may come between two batches of a training
            return not self._has_loader or self._moves_again or not with_gradients
        if self.mode is None or self._has_loader:
            return False
        return module in self._evaluated        # another would be the student of a teacher, or a head

    def forward_ended(self, at: int, module: int, *, seems_evaluated: bool) -> None:
        """Something went through a module that the script called."""
        self._forwarded, self._is_used, self.end = True, True, at
        if seems_evaluated and self.mode is not StepMode.TRAIN:
            self.mode = StepMode.EVAL
            self._evaluated.add(module)

    def backward_ended(self, at: int) -> None:
        """Gradients were computed: whatever seemed to be evaluated was not."""
        self._learnt, self.end = True, at
        if self.mode is StepMode.EVAL:
            self.mode = None
        if not self._has_optimizer:
            self.mode = StepMode.TRAIN

    def optimizer_known(self) -> None:
        """There is an optimiser."""
        self._has_optimizer = True

    def optimizer_moved(self, optimizer: int, at: int) -> None:
        """Weights have changed."""
        self._moves_again |= optimizer in self._moved
        self._moved.add(optimizer)
        self.mode, self.end = StepMode.TRAIN, at
