"""How far a job has come, and the best it has seen: what the loop changes beside weights and optimiser."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, final

from torch import Tensor

from tintype.training.evaluation import Evaluation
from tintype.training.metrics import Score


@final
@dataclass(eq=False)
class Best:
    """The epoch with the best objective so far, and its weights. A checkpoint does not keep `evaluation`."""

    epoch: int                              # from 1
    figures: Mapping[str, float]            # of the valid split
    weights: Mapping[str, Tensor]
    evaluation: Evaluation | None = None


@final
@dataclass(eq=False)
class Progress:
    """Counters and results. `epoch` and `step` are the next ones to do, from 0."""

    epoch: int = 0
    step: int = 0
    history: list[dict[str, Any]] = field(default_factory=list)
    best: Best | None = None
    ended: bool = False                     # whatever epochs are left; somebody wanted no more of them

    def judge(self, evaluation: Evaluation, weights: Mapping[str, Tensor], objective: str) -> bool:
        """Take note of the valid split's evaluation after the current epoch; True when it is the best so far."""
        if self.best is not None and not is_better(evaluation.score, self.best.figures, objective):
            return False
        kept = {name: tensor.detach().clone() for name, tensor in weights.items()}
        self.best = Best(self.epoch + 1, evaluation.score.figures, kept, evaluation)
        return True

    def end_epoch(self, entry: dict[str, Any]) -> None:
        """The current epoch is over; `entry` goes into the history."""
        self.history.append(entry)
        self.epoch, self.step = self.epoch + 1, 0

    def is_over(self, epochs: int, patience: int) -> bool:
        """True when all `epochs` are done, or `patience` (0: endless) of them since the best one."""
        lost_patience = patience > 0 and self.best is not None and self.epoch - self.best.epoch >= patience
        return self.ended or self.epoch >= epochs or lost_patience

    def way_on(self, epochs: int, patience: int) -> str:
        """What a job says that takes up what was left, or a trial's work that is as good as its own."""
        if self.is_over(epochs, patience):
            return f"all of its {self.epoch} epochs are trained already"
        step = f", step {self.step + 1}" if self.step else ""
        return f"going on with epoch {self.epoch + 1}{step}"

    def state_dict(self) -> dict[str, Any]:
        """For a checkpoint; `best` has a file of its own."""
        return {"epoch": self.epoch, "step": self.step, "history": self.history, "ended": self.ended}

    def load_state_dict(self, state_dict: dict[str, Any], /) -> None:
        """The inverse of `state_dict`."""
        self.epoch, self.step = state_dict["epoch"], state_dict["step"]
        self.history, self.ended = state_dict["history"], state_dict["ended"]


def is_better(score: Score, than: Mapping[str, float], objective: str) -> bool:
    """Compare by the objective; equal accuracies are compared by their losses."""
    if objective == "valid:loss":
        return score.loss < than["loss"]
    return (score.accuracy, -score.loss) > (than["accuracy"], -than["loss"])
