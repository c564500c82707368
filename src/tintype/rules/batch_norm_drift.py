"""The rule BatchNormDrift."""

from __future__ import annotations

import math
from collections import defaultdict, deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, final

import numpy as np

from tintype.debugger.collection import Collection
from tintype.debugger.modes import Mode
from tintype.rules.answers import LOSS_INPUTS, Answers
from tintype.rules.attached import reduced
from tintype.rules.finding import Change, Finding, Knob, Remedy
from tintype.rules.parameters import Parameters, parameter
from tintype.rules.rule import Profile, Rule
from tintype.rules.step_view import StepView

if TYPE_CHECKING:
    from tintype.debugger.tensor_log import TensorLog

WARM_UP_STEPS = 30                      # with the usual momentum of 0.1 the start is forgotten by then
TINY_STEPS = 20
SETTLING = 2 / 3                        # of the largest drift in a row: one that has fallen below goes away
LAST_PASSES = 2                         # of evaluation, which count when the training has ended
RECENT = 5                              # saved steps of training that evaluation is compared with
BUFFERS = "running_(mean|var)"
BATCH_NORM = reduced("batch_norm", "mean,std", r"batchnorm\d*_output", BUFFERS)

Pair = tuple[float, float]              # mean and deviation of a layer's output


@final
@dataclass(frozen=True)
class BatchNormDriftParameters(Parameters):
    """What BatchNormDrift can be told."""

    threshold: float = parameter(
        1.0, "shift of a layer's output, in its deviation, or doublings of that deviation", low=0
    )
    patience: int = parameter(3, "passes of evaluation in a row, while the training goes on", low=1)
    least_batch: int = parameter(3, "images that a batch must have, for its figures to mean anything", low=1)


@final
@dataclass
class BatchNormDrift(Rule[BatchNormDriftParameters]):
    """Batch norms answer differently in evaluation than in training, so that the network judged is not the one trained.

    In training a batch norm uses the figures of the batch, in evaluation those that it gathered. They differ when the
    batches are tiny (the figures of each are chance), when the momentum is so low that the start is still in them,
    when the weights move faster than the figures follow, or when validation images are prepared in another way.

    Fires when, after 30 steps of training, at `patience` passes of evaluation in a row, or at the last two of all, the
    output of a batch norm is shifted against training by more than `threshold` of its deviation, or its deviation is
    larger or smaller by more than `threshold` doublings, and that does not go away: a network that has begun with large
    steps drifts for a few passes, less and less. Fires too when the gathered figures change *during* evaluation, in two
    passes: the network is validated in training mode, and learns the figures of the validation images. And fires when
    batch norms gather the figures of batches of fewer than `least_batch` images, at 20 saved steps.

    **Needs** `mean, std` of the outputs of batch norms (which the hook knows by their class) in both modes, and of
    their buffers in evaluation. SageMaker has no such rule.

    Source: Ioffe and Szegedy, "Batch normalization", 2015; Singh and Shrivastava, "EvalNorm: estimating batch
    normalization statistics for evaluation", ICCV 2019.
    """

    NAME: ClassVar[str] = "BatchNormDrift"
    PARAMETERS: ClassVar[type[Parameters]] = BatchNormDriftParameters
    ATTACHES: ClassVar[tuple[Collection, ...]] = (BATCH_NORM, LOSS_INPUTS)

    parameters: BatchNormDriftParameters = field(default_factory=BatchNormDriftParameters)
    profile: Profile = Profile.RIGHT
    _trained: dict[str, deque[Pair]] = field(default_factory=lambda: defaultdict(lambda: deque(maxlen=RECENT)))
    _judged: dict[str, list[Pair]] = field(default_factory=lambda: defaultdict(list))       # in the pass under way
    _buffers: dict[str, Pair] = field(default_factory=dict)     # at the evaluation step before, in the pass under way
    _last: StepView | None = None                               # of evaluation
    _steps: int = 0                                             # of training
    _in_a_row: list[float] = field(default_factory=list)        # drifts above the threshold, of passes in a row
    _learning: int = 0                                          # passes in which buffers changed
    _changed: str = ""                                          # a buffer that did, in the pass under way
    _passes: int = 0
    _pending: Finding | None = None     # what is told when the training ends, unless a later pass is better
    _gathered: dict[str, Pair] = field(default_factory=dict)    # buffers at the training step before
    _tiny: int = 0                                              # training steps with tiny batches that changed buffers

    def check(self, log: TensorLog, step: StepView) -> Iterable[Finding]:
        if step.is_training:
            found = list(self._end_pass())
            self._steps = step.mode_step + 1
            return [*found, *self._train(step)]
        if step.mode is Mode.EVAL and not step.names(collection="gradients"):
            self._evaluate(step)
        return ()

    def conclude(self, log: TensorLog) -> Iterable[Finding]:
        found = list(self._end_pass())
        return found or [one for one in (self._pending,) if one is not None]

    def missing(self) -> str:
        if self._passes >= min(self.parameters.patience, LAST_PASSES):
            return ""
        return "outputs of batch norms in training and in two passes of evaluation are needed"

    def _train(self, step: StepView) -> Iterator[Finding]:
        gathers = ""
        for name, pair in _pairs(step):
            if not _is_buffer(name):
                self._trained[name].append(pair)
                continue
            gathers = name if _differ(self._gathered.get(name, pair), pair) else gathers
            self._gathered[name] = pair
        answers = Answers.at(step) if gathers else None
        if answers is None or len(answers) >= self.parameters.least_batch:
            return
        self._tiny += 1
        if self._tiny == TINY_STEPS:
            yield Finding(
                self.NAME, step.step, step.mode, step.mode_step, gathers, len(answers), self.parameters.least_batch,
                f"batch norms take the figures of batches of {len(answers)}", CAUSE, REMEDY,
            )  # fmt: skip

    def _evaluate(self, step: StepView) -> None:
        for name, pair in _pairs(step):
            self._last = step
            if not _is_buffer(name):
                self._judged[name].append(pair)
                continue
            if _differ(self._buffers.get(name, pair), pair):
                self._changed = name
            self._buffers[name] = pair

    def _end_pass(self) -> Iterator[Finding]:
        step, judged, changed = self._last, self._judged, self._changed
        self._last, self._judged, self._changed, self._buffers = None, defaultdict(list), "", {}
        if step is None:
            return
        self._learning += bool(changed)
        if changed and self._learning == 2:
            yield Finding(
                self.NAME, step.step, step.mode, step.mode_step, changed, self._learning, 2,
                f"{changed} changes during evaluation: the network is validated in training mode",
                "model.eval() was not called before the validation", EVALUATE,
            )  # fmt: skip
        shared = [name for name in judged if self._trained.get(name)]
        if not shared or self._steps < WARM_UP_STEPS:
            return
        self._passes += 1
        drifts = {name: drift(self._trained[name], judged[name]) for name in shared}
        worst = max(drifts, key=drifts.__getitem__)
        self._in_a_row = [*self._in_a_row, drifts[worst]] if drifts[worst] > self.parameters.threshold else []
        settles = drifts[worst] < SETTLING * max(self._in_a_row[-self.parameters.patience :], default=0.0)
        self._pending = None
        if len(self._in_a_row) >= min(self.parameters.patience, LAST_PASSES) and not settles:
            before, now = np.mean(self._trained[worst], axis=0), np.mean(judged[worst], axis=0)
            found = Finding(
                self.NAME, step.step, step.mode, step.mode_step, worst, drifts[worst], self.parameters.threshold,
                f"{worst} is {now[0]:.3g} ± {now[1]:.3g} in evaluation, {before[0]:.3g} ± {before[1]:.3g} in training",
                CAUSE, REMEDY,
            )  # fmt: skip
            if len(self._in_a_row) >= self.parameters.patience:
                yield found
            else:
                self._pending = found


def drift(trained: Iterable[Pair], judged: Iterable[Pair]) -> float:
    """How far apart two outputs are: the shift in deviations, or the doublings of the deviation, whichever is more."""
    (mean, deviation), (other_mean, other_deviation) = np.mean(list(trained), axis=0), np.mean(list(judged), axis=0)
    if not (deviation > 0 and other_deviation > 0 and math.isfinite(other_mean) and math.isfinite(other_deviation)):
        return 0.0
    return max(abs(other_mean - mean) / deviation, abs(math.log2(other_deviation / deviation)))


def _pairs(step: StepView) -> Iterator[tuple[str, Pair]]:
    for name in step.names(collection="batch_norm"):
        mean, deviation = step.number(name, "mean"), step.number(name, "std")
        if mean is not None and deviation is not None:
            yield name, (mean, deviation)


def _differ(one: Pair, other: Pair) -> bool:
    """To the last bit; what has become NaN goes on being so."""
    return not np.array_equal(one, other, equal_nan=True)


def _is_buffer(name: str) -> bool:
    return name.endswith(("running_mean", "running_var"))


CAUSE = (
    "batches too small for their figures to mean much, a momentum of the norms that is too low, updates "
    "faster than the figures can follow, or validation images that are prepared in another way"
)
REMEDY = Remedy(
    "use batches of at least 16, or GroupNorm instead; a momentum of 0.1; the same normalisation in both splits",
    (Change(Knob.BATCH_SIZE, value="32"),),
)
EVALUATE = Remedy("call model.eval() before the validation, and model.train() after it")
