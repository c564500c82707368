"""The rule UntrainedLayers."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from statistics import NormalDist
from typing import TYPE_CHECKING, ClassVar, final

from tintype.debugger.collection import Collection
from tintype.rules.finding import Finding, Remedy
from tintype.rules.parameters import Parameters, parameter
from tintype.rules.rule import Profile, Rule
from tintype.rules.step_view import StepView
from tintype.rules.weight_travel import WEIGHTS, Figures, WeightTravel

if TYPE_CHECKING:
    from tintype.debugger.tensor_log import TensorLog

UNIFORM = math.sqrt(3)                  # largest value of a uniform distribution, in its deviations
NORMAL = 200                            # elements from which the extremes of a normal distribution are known well


@final
@dataclass(frozen=True)
class UntrainedLayersParameters(Parameters):
    """What UntrainedLayers can be told."""

    num_steps: int = parameter(50, "steps of training after which a layer must have moved", low=2)
    tolerance: float = parameter(0.04, "how well weights must fit a fresh initialisation", low=0, high=1)


@final
@dataclass
class UntrainedLayers(Rule[UntrainedLayersParameters]):
    """Layers have random weights and are not trained: frozen by mistake, or forgotten by the optimiser.

    A frozen backbone is a good thing when its weights are pretrained. When they were never loaded, or when the
    optimiser was given the parameters of another model or only some of them, or the loss is taken of another output,
    the layers stay as they were initialised, and the rest learns from noise.

    Fires when after `num_steps` steps, or at the end of the training, weights have not changed at all since the first
    step and still look fresh: distributed uniformly about 0 (PyTorch's initialisation of linear and convolutional
    layers, recognised by its extremes, ±1.73 deviations), or all exactly 1 (a normalisation). Trained weights have
    tails, and scales that differ. A normal distribution is recognised by its extremes and its mean, which chance may
    give to one trained layer or another: it counts when all layers that have not changed are as random as that.

    **Needs** `min, max, mean, std` of weights, of frozen ones too, at two steps that are far enough from each other.
    SageMaker's nearest rule is UnchangedTensor, which cannot tell such layers from a pretrained backbone.

    Source: He et al., "Delving deep into rectifiers", 2015, as `torch.nn.init.kaiming_uniform_` implements it.
    """

    NAME: ClassVar[str] = "UntrainedLayers"
    PARAMETERS: ClassVar[type[Parameters]] = UntrainedLayersParameters
    ATTACHES: ClassVar[tuple[Collection, ...]] = (WEIGHTS,)

    parameters: UntrainedLayersParameters = field(default_factory=UntrainedLayersParameters)
    profile: Profile = Profile.RIGHT
    _travel: WeightTravel = field(default_factory=WeightTravel)
    _last: StepView | None = None
    _began: int = -1                    # mode step of the first weights
    _said: set[str] = field(default_factory=set)
    _sizes: dict[str, int] = field(default_factory=dict)        # elements of each weight

    def check(self, log: TensorLog, step: StepView) -> Iterable[Finding]:
        if not step.is_training or not self._travel.add(step):
            return ()
        self._last = step
        for name in self._travel.first.keys() - self._sizes.keys():
            self._sizes[name] = math.prod(step.shape(name) or ())
        if self._began < 0:
            self._began = step.mode_step
        return self._judge(step) if step.mode_step - self._began >= self.parameters.num_steps else ()

    def conclude(self, log: TensorLog) -> Iterable[Finding]:
        return self._judge(self._last) if self._last is not None and not self.missing() else ()

    def missing(self) -> str:
        return "" if self._travel.steps > 1 else "weights of two steps are needed, and fewer were saved"

    def _judge(self, step: StepView) -> Iterable[Finding]:
        unmoved = {name: self._travel.first[name] for name in self._travel.unmoved}
        fresh = [name for name, one in unmoved.items() if self._is_fresh(one)]
        others = [name for name in unmoved if name not in fresh and self._sizes[name] >= NORMAL]
        if all(_is_normal(unmoved[name], self._sizes[name]) for name in others):
            fresh += others
        new = [name for name in fresh if name not in self._said]
        self._said.update(new)
        if not new:
            return
        shown = ", ".join(new[:3]) + (f" and {len(new) - 3} more" if len(new) > 3 else "")
        yield Finding(
            self.NAME, step.step, step.mode, step.mode_step, new[0], 0.0, 0.0,
            f"{len(fresh)} of {len(self._travel.first)} weight tensors are as they were initialised, "
            f"after {step.mode_step - self._began + 1} steps: {shown}",
            CAUSE, REMEDY,
        )  # fmt: skip

    def _is_fresh(self, one: Figures) -> bool:
        low, high, mean, deviation = one
        if low == high == 1.0:
            return True
        near = self.parameters.tolerance * UNIFORM * deviation
        uniform = abs(high - UNIFORM * deviation) < near and abs(low + UNIFORM * deviation) < near
        return deviation > 0 and uniform and abs(mean) < 0.1 * deviation


def _is_normal(one: Figures, size: int) -> bool:
    """Whether the figures are those of `size` numbers of a normal distribution about 0, as near as chance has it."""
    low, high, mean, deviation = one
    extreme = NormalDist().inv_cdf(0.5 ** (1 / size))           # the median of the largest; it varies by its inverse
    usual = all(-1.5 < (end / deviation - extreme) * extreme < 4 for end in (high, -low)) if deviation > 0 else False
    return usual and abs(mean) < 4 * deviation / math.sqrt(size)


CAUSE = (
    "requires_grad is off though no pretrained weights were loaded, the optimiser was not given these parameters, "
    "or the loss does not depend on them"
)
REMEDY = Remedy(
    "load pretrained weights for what is frozen; otherwise give the optimiser all parameters of the model that is "
    "trained, and take the loss of the output that is used"
)
