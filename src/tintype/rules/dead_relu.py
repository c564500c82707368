"""The rule DeadRelu."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, final

import numpy as np

from tintype.debugger.collection import Collection
from tintype.rules.attached import reduced
from tintype.rules.finding import Change, Finding, Knob, Remedy
from tintype.rules.parameters import Parameters, parameter
from tintype.rules.rule import Profile, Rule
from tintype.rules.selection import GRADIENT
from tintype.rules.step_view import Array, StepView

if TYPE_CHECKING:
    from tintype.debugger.tensor_log import TensorLog

PATIENCE = 3                            # saved steps in a row: a unit may well be silent for one batch
ENOUGH = 64                             # observations of a unit without which its silence means nothing


@final
@dataclass(frozen=True)
class DeadReluParameters(Parameters):
    """What DeadRelu can be told."""

    tensor_regex: tuple[str, ...] = parameter((".*relu_output",), "expressions that find outputs of ReLUs by name")
    threshold_inactivity: float = parameter(
        1.0, "percentage of inputs below which a unit that answers so rarely is dead", low=0, high=100
    )
    threshold_layer: float = parameter(50.0, "percentage of dead units in a layer that may be", low=0, high=100)


@final
@dataclass
class DeadRelu(Rule[DeadReluParameters]):
    """Many ReLUs of a layer never answer, whatever the input: they have no gradient, so they stay dead.

    Fires when more than `threshold_layer` per cent of the units of a layer answer to less than `threshold_inactivity`
    per cent of the inputs, at three saved steps of training in a row. A unit is a channel (axis 1) of an image or a
    column of a matrix; its inputs are the images of the batch and the places in them.

    **Needs** one of: the outputs of ReLUs as whole tensors, which is exact; their `zeros`, which decides when nearly
    all are zero; or `zeros` of the gradients of biases, as a bias of which the gradient is exactly zero feeds a dead
    unit. The last works for ReLUs that are functions, which no hook can see. A layer that is almost silent by `zeros`
    alone has at least the share of dead units that is reported. Gradients tell of one batch only, so that half of the
    other units must be dead as well (three quarters, by default).

    **Differs from SageMaker's**, which finds ReLUs by the name `relu`, takes each place of an image for a neuron of its
    own, and judges a single batch, so that small batches and sparse layers look dead. Here the collection
    `relu_output`, into which the hook puts modules by their class, is looked at besides `tensor_regex`. The profile
    `sagemaker` judges every saved step and every neuron, by whole tensors alone.

    Source: Maas et al., "Rectifier nonlinearities improve neural network acoustic models", 2013.
    """

    NAME: ClassVar[str] = "DeadRelu"
    PARAMETERS: ClassVar[type[Parameters]] = DeadReluParameters
    ATTACHES: ClassVar[tuple[Collection, ...]] = (
        reduced("relu_output", "zeros", ".*relu_output", ".*ReLU_output"),
        reduced("gradients", "zeros"),
    )

    parameters: DeadReluParameters = field(default_factory=DeadReluParameters)
    profile: Profile = Profile.RIGHT
    _in_a_row: Counter[str] = field(default_factory=Counter)
    _looked: bool = False

    def check(self, log: TensorLog, step: StepView) -> Iterable[Finding]:
        outputs = dict.fromkeys((*step.names(self.parameters.tensor_regex), *step.names(collection="relu_output")))
        outputs = [name for name in outputs if not name.startswith(GRADIENT)]
        if self.profile is Profile.SAGEMAKER:
            dead = ((name, self._neurons(step.value(name))) for name in outputs)
            return [self._finding(step, *one) for one in dead if one[1] > self.parameters.threshold_layer]
        if not step.is_training:
            return ()
        biases = [name for name in step.names(collection="gradients") if name.endswith("bias")]
        found = {name: self._units(step, name) for name in outputs} | {name: _still(step, name) for name in biases}
        return list(self._lasting(step, {name: share for name, share in found.items() if share is not None}))

    def _lasting(self, step: StepView, shares: dict[str, float]) -> Iterator[Finding]:
        # A step at which no bias at all has a gradient says nothing of single units: its loss was zero, or broken.
        silent = all(share == 100 for name, share in shares.items() if name.startswith(GRADIENT))
        for name, share in shares.items():
            self._looked = True
            if name.startswith(GRADIENT) and silent:
                continue
            limit = self.parameters.threshold_layer
            if name.startswith(GRADIENT):               # of one batch, and perhaps of one value for each of its images
                limit += (100 - limit) / 2
            self._in_a_row[name] = self._in_a_row[name] + 1 if share > limit else 0
            if self._in_a_row[name] == PATIENCE:
                yield self._finding(step, name, share)

    def _neurons(self, value: Array | None) -> float:
        """Percentage of elements of an input (all but axis 0) that are dead over the batch."""
        if value is None or value.ndim < 2:
            return 0.0
        self._looked = True
        active = 100 * np.mean(value > 0, axis=0)
        return 100 * float(np.mean(active < self.parameters.threshold_inactivity))

    def _units(self, step: StepView, name: str) -> float | None:
        """Percentage of units that are dead for certain; None when nothing tells."""
        value = step.value(name)
        if value is None:
            return self._at_least(step, name)
        if value.ndim < 2:
            return None
        unit = 1 if value.ndim in (2, 4, 5) else value.ndim - 1     # tokens have their features last
        active = np.mean(value > 0, axis=tuple(axis for axis in range(value.ndim) if axis != unit))
        if value.size < ENOUGH * value.shape[unit]:
            return 100 * float(np.mean(active == 0)) if np.all(active == 0) else 0.0
        return 100 * float(np.mean(100 * active < self.parameters.threshold_inactivity))

    def _at_least(self, step: StepView, name: str) -> float | None:
        # With a share z of zeros, living units (active more than t) are at most (1 - z) / t of all.
        zeros = step.number(name, "zeros")
        if zeros is None or np.isnan(zeros):
            return None
        living = (1 - zeros) / max(self.parameters.threshold_inactivity / 100, 1e-9)
        return 100 * max(0.0, 1 - living)

    def missing(self) -> str:
        if self._looked:
            return ""
        return "neither outputs of ReLUs (collection relu_output) nor zeros of the gradients of biases were saved"

    def _finding(self, step: StepView, name: str, share: float) -> Finding:
        fed = f"the units that {name.removeprefix(GRADIENT)} feeds"
        where = fed if name.startswith(GRADIENT) else f"the units of {name}"
        return Finding(
            self.NAME, step.step, step.mode, step.mode_step, name, share, self.parameters.threshold_layer,
            f"{share:.3g} % of {where} are dead", CAUSE, REMEDY,
        )  # fmt: skip


def _still(step: StepView, name: str) -> float | None:
    zeros = step.number(name, "zeros")
    return None if zeros is None or np.isnan(zeros) else 100 * zeros


CAUSE = "an update, or the initialisation, pushed the biases so far down that no input lifts the units above zero"
REMEDY = Remedy(
    "lower the learning rate, initialise biases with zero, add batch normalisation before the ReLUs, or use LeakyReLU",
    (Change(Knob.LEARNING_RATE, 0.1),),
)
