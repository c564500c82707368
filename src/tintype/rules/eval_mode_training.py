"""The rule EvalModeTraining."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, final

from tintype.debugger.collection import Collection
from tintype.debugger.modes import Mode
from tintype.rules.attached import reduced
from tintype.rules.finding import Finding, Remedy
from tintype.rules.parameters import Parameters, parameter
from tintype.rules.rule import Profile, Rule
from tintype.rules.step_view import StepView

if TYPE_CHECKING:
    from tintype.debugger.tensor_log import TensorLog


@final
@dataclass(frozen=True)
class EvalModeTrainingParameters(Parameters):
    """What EvalModeTraining can be told."""

    patience: int = parameter(3, "saved steps of evaluation with gradients", low=1)


@final
@dataclass
class EvalModeTraining(Rule[EvalModeTrainingParameters]):
    """The network is trained while it is in evaluation mode: dropout is off, and batch norms do not measure.

    The usual cause is a `model.eval()` for validation that no `model.train()` follows, or a network from a library that
    comes in evaluation mode. The loss falls all the same, at first, so that nobody notices.

    Fires when at `patience` saved steps at which the network was in evaluation mode there are gradients. Layers that
    are set to evaluation on purpose (frozen batch norms) while the network as a whole is in training mode do not count.

    **Needs** gradients (any reduction) of steps in evaluation mode, which the hook saves when a backward pass follows.
    A script that sets modes by itself (`hook.set_mode`) is taken at its word. SageMaker has no such rule.
    """

    NAME: ClassVar[str] = "EvalModeTraining"
    PARAMETERS: ClassVar[type[Parameters]] = EvalModeTrainingParameters
    ATTACHES: ClassVar[tuple[Collection, ...]] = (reduced("gradients", "abs_mean"),)

    parameters: EvalModeTrainingParameters = field(default_factory=EvalModeTrainingParameters)
    profile: Profile = Profile.RIGHT
    _steps: int = 0                     # that saved anything at all
    _trained: int = 0                   # in evaluation mode, with gradients

    def check(self, log: TensorLog, step: StepView) -> Iterable[Finding]:
        self._steps += 1
        if step.mode is not Mode.EVAL or not (gradients := step.names(collection="gradients")):
            return
        self._trained += 1
        if self._trained == self.parameters.patience:
            yield Finding(
                self.NAME, step.step, step.mode, step.mode_step, gradients[0], self._trained, self.parameters.patience,
                f"{self._trained} steps of training were made with the network in evaluation mode", CAUSE, REMEDY,
            )  # fmt: skip

    def missing(self) -> str:
        return "" if self._steps else "steps are needed, and none were saved"


CAUSE = "model.eval() was called for a validation, or by a library, and model.train() was not called after it"
REMEDY = Remedy("call model.train() at the beginning of each epoch, and model.eval() before each validation")
