"""A finding: what a rule saw, where, how far from the threshold it was, the likely cause, and what to do about it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any, final

from tintype.debugger.modes import Mode

Json = dict[str, Any]


class Knob(StrEnum):
    """A setting of a training that a remedy may turn; `run_facts` knows what jobs call it."""

    LEARNING_RATE = "learning_rate"
    BATCH_SIZE = "batch_size"
    EPOCHS = "epochs"
    WEIGHT_DECAY = "weight_decay"
    CLIP_NORM = "clip_norm"
    WARMUP = "warmup"
    AUGMENTATION = "augmentation"
    CLASS_WEIGHTS = "class_weights"
    DROP_RATE = "drop_rate"
    WEIGHTS = "weights"
    PATIENCE = "patience"


@final
@dataclass(frozen=True)
class Change:
    """One knob turned: multiplied by `factor`, or set to `value` when that is not empty."""

    knob: Knob
    factor: float = 1.0
    value: str = ""


@final
@dataclass(frozen=True)
class Remedy:
    """What to do. `changes` is what the rule proposes; `hyperparameters` is the same in the words of the job.

    A rule fills `text` and `changes`; the evaluation, which knows the job's hyperparameters, fills `hyperparameters`
    with names and values that a new job can be started with. It stays empty when nothing that the job is told by its
    hyperparameters would help.
    """

    text: str
    changes: tuple[Change, ...] = ()
    hyperparameters: Mapping[str, str] = field(default_factory=dict)


@final
@dataclass(frozen=True)
class Finding:
    """One place where a rule's condition was met."""

    rule: str                           # the rule's name in the catalogue, such as "VanishingGradient"
    step: int                           # global step
    mode: Mode
    mode_step: int
    tensor: str                         # base name, without the tag of a reduction; "" when it is of the whole run
    measured: float                     # in the unit of `threshold`
    threshold: float
    message: str                        # one sentence: what is wrong, with its numbers
    cause: str = ""                     # what most likely led to it, in the terms of this run
    remedy: Remedy | None = None
    samples: tuple[str, ...] = ()       # identifiers of the training samples behind it, where the log has them

    def to_json(self) -> Json:
        """A document of plain JSON; a number that is not finite becomes its name ("nan", "inf", "-inf")."""
        document = asdict(self)
        document["mode"] = self.mode.name
        document["measured"] = plain(self.measured)
        document["threshold"] = plain(self.threshold)
        document["samples"] = list(self.samples)
        if self.remedy is not None:
            document["remedy"] = {
                "text": self.remedy.text,
                "changes": [asdict(change) for change in self.remedy.changes],
                "hyperparameters": dict(self.remedy.hyperparameters),
            }
        return document

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Finding:
        """The inverse of `to_json`."""
        remedy = document.get("remedy")
        return cls(
            **{
                **document,
                "mode": Mode[document["mode"]],
                "measured": float(document["measured"]),
                "threshold": float(document["threshold"]),
                "samples": tuple(document.get("samples", ())),
                "remedy": remedy and _remedy(remedy),
            }
        )


def plain(number: float) -> float | str:
    """`number` as JSON can hold it: NaN and the infinities by name."""
    return float(number) if math.isfinite(number) else str(float(number))


def _remedy(document: Mapping[str, Any]) -> Remedy:
    changes = tuple(Change(Knob(one["knob"]), one["factor"], one["value"]) for one in document.get("changes", ()))
    return Remedy(document["text"], changes, dict(document.get("hyperparameters", {})))
