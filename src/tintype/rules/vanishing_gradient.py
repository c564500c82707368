"""The rule VanishingGradient."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from statistics import median
from typing import TYPE_CHECKING, ClassVar, final

from tintype.debugger.collection import Collection
from tintype.rules.attached import reduced
from tintype.rules.finding import Change, Finding, Knob, Remedy
from tintype.rules.parameters import Parameters, parameter
from tintype.rules.rule import Profile, Rule
from tintype.rules.step_view import StepView

if TYPE_CHECKING:
    from tintype.debugger.tensor_log import TensorLog

WINDOW = 3                              # saved steps that must agree: one batch may well leave a layer without gradient
FIRST_STEP = 1                          # at step 0 blocks that begin as identities have no gradient, on purpose
VANISHED = 1e-5                         # of the largest gradient: such a layer learns 100,000 times slower than another
GROWING = 2.0                           # times from the first to the last of a window: it is on its way, not gone
SMALL_SHARE = 1e-3                      # a tiny gradient counts when others are 1,000 times larger


@final
@dataclass(frozen=True)
class VanishingGradientParameters(Parameters):
    """What VanishingGradient can be told."""

    threshold: float = parameter(1e-7, "mean of the absolute gradient below which it has vanished", low=0)


@final
@dataclass
class VanishingGradient(Rule[VanishingGradientParameters]):
    """Gradients of some layers are too small to train them, while others get large ones.

    The gradient of a layer is the product of the derivatives of all the layers after it. Where those are small
    (saturated sigmoids, tiny weights, many layers without shortcuts or normalisation), nothing arrives at the first
    layers, which then stay as they were initialised.

    Fires when over three saved steps of training in a row (not step 0) the median of the mean absolute gradient of a
    weight is below `threshold` and below a thousandth of the largest of all layers, or below 1/100,000 of the largest,
    and is not twice as large at the last of them as at the first (as in a residual block that begins at zero).

    **Needs** the collection gradients: `abs_mean`, or whole tensors. Cost: one number per weight and saved step.

    **Differs from SageMaker's**, which takes any single gradient at any single step. That fires for biases before a
    batch normalisation, whose gradient is zero by construction; for blocks that begin as identities; and for every
    training that has converged, in which all gradients are small. It also misses stacks of sigmoids whose first layers
    are starved long before 1e-7. Here biases are left out and layers are compared with each other. The profile
    `sagemaker` looks at every gradient alone, and never fires at step 0.

    Source: Hochreiter, "Untersuchungen zu dynamischen neuronalen Netzen", 1991; Glorot and Bengio, "Understanding the
    difficulty of training deep feedforward neural networks", AISTATS 2010.
    """

    NAME: ClassVar[str] = "VanishingGradient"
    PARAMETERS: ClassVar[type[Parameters]] = VanishingGradientParameters
    ATTACHES: ClassVar[tuple[Collection, ...]] = (reduced("gradients", "abs_mean"),)

    parameters: VanishingGradientParameters = field(default_factory=VanishingGradientParameters)
    profile: Profile = Profile.RIGHT
    _recent: dict[str, deque[float]] = field(default_factory=lambda: defaultdict(lambda: deque(maxlen=WINDOW)))
    _steps: int = 0                     # steps with gradients, step 0 not counted

    def check(self, log: TensorLog, step: StepView) -> Iterable[Finding]:
        sizes = {
            name: size
            for name in step.names(collection="gradients")
            if (size := step.number(name, "mean", absolute=True)) is not None
        }
        if not sizes or step.step < FIRST_STEP:
            return ()
        self._steps += 1
        if self.profile is Profile.SAGEMAKER:
            limit = self.parameters.threshold
            return [self._finding(step, name, size, limit) for name, size in sizes.items() if size < limit]
        return self._starved(step, {name: size for name, size in sizes.items() if not name.endswith("bias")})

    def _starved(self, step: StepView, sizes: dict[str, float]) -> list[Finding]:
        for name, size in sizes.items():
            self._recent[name].append(size)
        levels = {name: median(self._recent[name]) for name in sizes if len(self._recent[name]) == WINDOW}
        largest = max(levels.values(), default=0.0)
        absolute = min(self.parameters.threshold, SMALL_SHARE * largest)
        limit = max(absolute, VANISHED * largest)
        gone = {name: level for name, level in levels.items() if level < limit and not self._grows(name)}
        return [self._finding(step, name, level, limit, largest) for name, level in gone.items()]

    def _grows(self, name: str) -> bool:
        first, last = self._recent[name][0], self._recent[name][-1]
        return last > GROWING * first

    def missing(self) -> str:
        needed = 1 if self.profile is Profile.SAGEMAKER else WINDOW
        if self._steps >= needed:
            return ""
        return f"gradients of {needed} steps after the first are needed, and {self._steps} were saved"

    def _finding(self, step: StepView, name: str, size: float, limit: float, largest: float | None = None) -> Finding:
        layer = name.removeprefix("gradient/")
        message = f"the gradient of {layer} has vanished: its mean size is {size:.3g}, below {limit:.3g}"
        if largest is not None:
            message += f"; the largest of all layers is {largest:.3g}"
        return Finding(self.NAME, step.step, step.mode, step.mode_step, name, size, limit, message, CAUSE, REMEDY)


CAUSE = (
    "the layers after it have small derivatives: saturated sigmoid or tanh units, tiny or zero weights, dead ReLUs, or "
    "many layers with neither shortcuts nor normalisation"
)
REMEDY = Remedy(
    "use ReLU or GELU with batch or layer normalisation, shortcuts around blocks, and He initialisation; "
    "pretrained weights avoid it too",
    (Change(Knob.WEIGHTS, value="auto"),),
)
