"""What is known of a run besides its tensors, and how findings are put into its terms.

A rule says "a tenth of the learning rate"; a person wants to read "lr=0.003 instead of 0.03".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, final

import numpy as np

from tintype.debugger.modes import Mode
from tintype.rules.finding import Change, Finding, Knob, Remedy

if TYPE_CHECKING:
    from tintype.debugger.tensor_log import TensorLog

# What jobs call each knob, most usual first, without case, hyphens and underscores.
NAMES: Mapping[Knob, tuple[str, ...]] = {
    Knob.LEARNING_RATE: ("lr", "learningrate", "baselr", "maxlr", "initiallr"),
    Knob.BATCH_SIZE: ("batchsize", "batch", "bs", "trainbatchsize", "perdevicetrainbatchsize"),
    Knob.EPOCHS: ("epochs", "epoch", "numepochs", "nepochs", "numtrainepochs", "maxepochs"),
    Knob.WEIGHT_DECAY: ("weightdecay", "wd", "l2"),
    Knob.CLIP_NORM: ("clipnorm", "clipgrad", "maxgradnorm", "gradclip", "gradientclipval"),
    Knob.WARMUP: ("warmupepochs", "warmup", "warmupsteps"),
    Knob.AUGMENTATION: ("augmentation", "augment"),
    Knob.CLASS_WEIGHTS: ("classweights", "balance", "classweight"),
    Knob.DROP_RATE: ("droprate", "dropout"),
    Knob.WEIGHTS: ("weights", "pretrained"),
    Knob.PATIENCE: ("patience", "earlystoppingpatience"),
}

# Tintype's own trainer understands these whether or not a job gives them.
OWN_NAMES: Mapping[Knob, str] = {
    Knob.LEARNING_RATE: "lr",
    Knob.BATCH_SIZE: "batch-size",
    Knob.EPOCHS: "epochs",
    Knob.WEIGHT_DECAY: "weight-decay",
    Knob.CLIP_NORM: "clip-norm",
    Knob.WARMUP: "warmup-epochs",
    Knob.AUGMENTATION: "augmentation",
    Knob.CLASS_WEIGHTS: "class-weights",
    Knob.DROP_RATE: "drop-rate",
    Knob.WEIGHTS: "weights",
    Knob.PATIENCE: "patience",
}

MOST_RATES = 50                         # that are looked at
DECAYED = 0.1
WHOLE = frozenset({Knob.BATCH_SIZE, Knob.EPOCHS, Knob.PATIENCE})
# As the hook saves it, or as a script does by itself.
LEARNING_RATE = r"(?i)^optimizer/lr/|^scalar/(.*[/_.-])?(lr|learning[_-]?rate)([/_.-].*)?$"


@final
@dataclass(frozen=True)
class RunFacts:
    """The hyperparameters that a job was started with, as strings, and what it surely understands besides."""

    hyperparameters: Mapping[str, str] = field(default_factory=dict)
    understood: Mapping[Knob, str] = field(default_factory=dict)

    def name_of(self, knob: Knob) -> str:
        """What this job calls `knob`; "" when it gives no such hyperparameter and none is known to be understood."""
        plain = {name.lower().replace("-", "").replace("_", ""): name for name in reversed(list(self.hyperparameters))}
        return next((plain[one] for one in NAMES[knob] if one in plain), self.understood.get(knob, ""))

    def value_of(self, knob: Knob) -> str:
        """What the job set `knob` to; "" when it did not say."""
        return str(self.hyperparameters.get(self.name_of(knob), ""))

    def explained(self, finding: Finding, log: TensorLog) -> Finding:
        """`finding` with the settings of this run in its cause, and its remedy as hyperparameters of this job."""
        rate = learning_rate_at(log, finding.step)
        facts = []
        if rate is not None:
            facts.append(f"learning rate {rate:.3g} at step {finding.step}")
        elif value := self.value_of(Knob.LEARNING_RATE):
            facts.append(f"learning rate {value}")
        if value := self.value_of(Knob.BATCH_SIZE):
            facts.append(f"batch size {value}")
        cause = f"{finding.cause} (this run: {', '.join(facts)})" if facts and finding.cause else finding.cause
        return replace(finding, cause=cause, remedy=finding.remedy and self._resolved(finding.remedy, rate))

    def _resolved(self, remedy: Remedy, rate: float | None) -> Remedy:
        new = {self.name_of(change.knob): self._new_value(change, rate) for change in remedy.changes}
        return replace(remedy, hyperparameters={name: value for name, value in new.items() if name and value})

    def _new_value(self, change: Change, rate: float | None) -> str:
        if change.value:
            return "" if change.value == self.value_of(change.knob) else change.value
        try:
            old = float(self.value_of(change.knob))
        except ValueError:
            if change.knob is not Knob.LEARNING_RATE or rate is None:
                return ""
            old = rate
        new = old * change.factor
        return str(max(1, round(new))) if change.knob in WHOLE else f"{new:.6g}"


def rate_has_decayed(log: TensorLog) -> bool:
    """Whether the last learning rate is below a tenth of the highest before; True too where none was saved."""
    for name in log.names(LEARNING_RATE):
        steps = log.steps_of(name, Mode.GLOBAL)
        looked_at = [*steps[:: max(1, len(steps) // MOST_RATES)], *steps[-1:]]
        rates = [float(np.mean(log.value(name, step, Mode.GLOBAL))) for step in looked_at]
        if rates:
            return rates[-1] < DECAYED * max(rates)
    return True


def learning_rate_at(log: TensorLog, step: int) -> float | None:
    """The newest learning rate at or before global `step`, when the log holds it as a scalar."""
    for name in log.names(LEARNING_RATE):
        steps = [one for one in log.steps_of(name, Mode.GLOBAL) if one <= step]
        if steps:
            return float(np.mean(log.value(name, steps[-1], Mode.GLOBAL)))
    return None
