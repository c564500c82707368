"""The rule LossInputs."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, ClassVar, final

import numpy as np

from tintype.debugger.collection import Collection
from tintype.rules.answers import LOSS_INPUTS
from tintype.rules.finding import Finding, Remedy
from tintype.rules.parameters import Parameters, parameter
from tintype.rules.rule import Profile, Rule
from tintype.rules.step_view import StepView

if TYPE_CHECKING:
    from tintype.debugger.tensor_log import TensorLog

LOSS = re.compile(r"(CrossEntropyLoss|NLLLoss|BCEWithLogitsLoss)_input_0$")
SUM = 1e-3                              # by which probabilities may miss the sum of 1
LOG_SUM = 0.1                           # by which the logarithm of their sum may miss 0, in half precision
CUT = 0.05                              # share of logits that are exactly 0, and none below


class Mistake(StrEnum):
    """What a loss can be given in the place of logits."""

    PROBABILITIES = "probabilities, which the loss takes the softmax of once more"
    NOT_LOGARITHMS = "probabilities, and not their logarithms"
    NOT_NORMALISED = "numbers that are no logarithms of probabilities: over the classes those do not add up to 1"
    SIGMOID = "numbers from 0 to 1, which the loss takes the sigmoid of once more"
    RECTIFIED = "logits that were cut off at 0, as after a ReLU"


@final
@dataclass(frozen=True)
class LossInputsParameters(Parameters):
    """What LossInputs can be told."""

    patience: int = parameter(10, "saved steps in a row", low=1)


@final
@dataclass
class LossInputs(Rule[LossInputsParameters]):
    """The loss is given something else than it expects, and trains slowly or not at all without any error.

    PyTorch's `CrossEntropyLoss` contains the softmax. A network that ends in a softmax of its own can then not get its
    loss below `log(e + C - 1) - 1` for C classes (1.46 for ten), and has gradients a hundred times too small. The same
    holds for a sigmoid before `BCEWithLogitsLoss`, and a ReLU as last layer takes away all negative logits.

    Fires when at `patience` saved steps of training in a row what the loss is given are

    - for `CrossEntropyLoss` or `NLLLoss`: rows of numbers from 0 to 1 with the sum of 1,
    - for `NLLLoss`: anything but a log-softmax over the classes, such as logits, or a log-softmax over the batch,
    - for `BCEWithLogitsLoss`: numbers from 0 to 1 alone,
    - for any of them: no number below 0, and more than 5 % that are exactly 0.

    **Needs** the inputs of the loss, at any steps of training. SageMaker has no such rule.
    """

    NAME: ClassVar[str] = "LossInputs"
    PARAMETERS: ClassVar[type[Parameters]] = LossInputsParameters
    ATTACHES: ClassVar[tuple[Collection, ...]] = (LOSS_INPUTS,)

    parameters: LossInputsParameters = field(default_factory=LossInputsParameters)
    profile: Profile = Profile.RIGHT
    _in_a_row: Counter[tuple[str, Mistake]] = field(default_factory=Counter)
    _seen: int = 0

    def check(self, log: TensorLog, step: StepView) -> Iterable[Finding]:
        if step.mode.name == "PREDICT":
            return
        for name in step.names(LOSS.pattern):
            value = step.value(name)
            if value is None or not value.size:
                continue
            self._seen += 1
            mistake = mistaken(name, value)
            for one in Mistake:
                self._in_a_row[name, one] = self._in_a_row[name, one] + 1 if one is mistake else 0
            if mistake is not None and self._in_a_row[name, mistake] == self.parameters.patience:
                yield Finding(
                    self.NAME, step.step, step.mode, step.mode_step, name, float(value.max()), 1.0,
                    f"{name.removesuffix('_input_0')} is given {mistake}", CAUSES[mistake], REMEDIES[mistake],
                )  # fmt: skip

    def missing(self) -> str:
        return "" if self._seen else "the inputs of a loss of classification are needed, and none were saved"


def mistaken(name: str, value: np.ndarray[Any, Any]) -> Mistake | None:
    """What is wrong with `value`, the input of the loss `name`; None when nothing is."""
    values = value.astype(np.float64)
    if not np.isfinite(values).all():
        return None
    if "NLL" in name and not _are_probabilities(values):
        return Mistake.NOT_NORMALISED if _miss_one(values) else None
    if values.min() < 0:
        return None
    if np.mean(values == 0) > CUT and values.max() > 1 + SUM:
        return Mistake.RECTIFIED
    if values.max() > 1 + SUM:
        return None
    if "BCE" in name:
        return Mistake.SIGMOID
    if _are_probabilities(values):
        return Mistake.NOT_LOGARITHMS if "NLL" in name else Mistake.PROBABILITIES
    return Mistake.RECTIFIED if np.mean(values == 0) > CUT else None


def _are_probabilities(values: np.ndarray[Any, Any]) -> bool:
    """Whether the numbers over the classes, the second axis, are from 0 to 1 and have the sum of 1."""
    several = values.ndim >= 2 and values.shape[1] > 1
    return several and values.min() >= 0 and bool(np.all(np.abs(values.sum(axis=1) - 1) < SUM))


def _miss_one(values: np.ndarray[Any, Any]) -> bool:
    """Whether the powers of e, over the classes, have another sum than 1."""
    if values.ndim < 2:
        return False
    highest = values.max(axis=1, keepdims=True)
    logarithms = np.log(np.exp(values - highest).sum(axis=1)) + highest[:, 0]
    return float(np.median(np.abs(logarithms))) > LOG_SUM


CAUSES: dict[Mistake, str] = {
    Mistake.PROBABILITIES: "the network ends in a softmax, and CrossEntropyLoss contains another",
    Mistake.NOT_LOGARITHMS: "the network ends in a softmax, and NLLLoss expects a log-softmax",
    Mistake.NOT_NORMALISED: "NLLLoss is given logits, or a log-softmax over another axis than that of the classes: its "
    "least value then has no lower bound, or is not that of the right answer",
    Mistake.SIGMOID: "the network ends in a sigmoid, and BCEWithLogitsLoss contains another",
    Mistake.RECTIFIED: "the network ends in a ReLU: no class can be ruled out, and a dead unit never learns again",
}
REMEDIES: dict[Mistake, Remedy] = {
    Mistake.PROBABILITIES: Remedy("give the loss the output of the last linear layer; keep the softmax for inference"),
    Mistake.NOT_LOGARITHMS: Remedy("use log_softmax, or CrossEntropyLoss on the output of the last linear layer"),
    Mistake.NOT_NORMALISED: Remedy("take log_softmax over dim=1, or give CrossEntropyLoss the logits"),
    Mistake.SIGMOID: Remedy("give the loss the output of the last linear layer, or use BCELoss"),
    Mistake.RECTIFIED: Remedy("remove the activation after the last linear layer"),
}
