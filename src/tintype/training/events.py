"""What a training job says while it runs: one JSON object per line on its standard output.

    {"event": "phase", "name": "decode images", "seconds": 0.9}
    {"event": "epoch", "epoch": 1, "epochs": 5, "metrics": {"train:loss": 0.7, "valid:accuracy": 0.8}, "seconds": 3.1}

`encode` and `decode` are each other's inverse. No torch here.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from enum import Enum
from typing import Any

from tintype.errors import InvalidRequest


class Outcome(Enum):
    """How a job ended; the words are SageMaker's."""

    COMPLETED = "Completed"
    FAILED = "Failed"
    STOPPED = "Stopped"


@dataclass(frozen=True)
class Phase:
    """A part of the job is over; `seconds` it took."""

    name: str
    seconds: float


@dataclass(frozen=True)
class Progress:
    """Part way through a phase: `done` of `total` units (images, steps)."""

    phase: str
    done: int
    total: int


@dataclass(frozen=True)
class Epoch:
    """An epoch is over. `metrics` are named `<split>:loss|accuracy|top5`, and `lr`; accuracies are in 0..1."""

    epoch: int                          # from 1
    epochs: int
    metrics: Mapping[str, float]
    seconds: float


@dataclass(frozen=True)
class Note:
    """Something decided, e.g. where the weights came from."""

    text: str


@dataclass(frozen=True)
class Warning:
    """Something that the owner of the data or of the job should look at."""

    text: str


@dataclass(frozen=True)
class Quarantined:
    """A file that is not used, and why."""

    path: str
    reason: str


@dataclass(frozen=True)
class TrainingResult:
    """What a job produced. Seconds are wall time; `metrics` is split -> name -> value, None for a missing split."""

    name: str
    metrics: Mapping[str, Mapping[str, float] | None]
    best_epoch: int                     # from 1
    epochs: int                         # epochs done
    seconds: float
    phases: Mapping[str, float]
    quarantined: tuple[Quarantined, ...]
    archive: str | None
    hyperparameters: Mapping[str, Any]
    stopped: bool = False               # somebody asked it to stop before its last epoch


@dataclass(frozen=True)
class Result:
    """The job's result; the last event but one of a job that did not fail."""

    result: TrainingResult


@dataclass(frozen=True)
class Failure:
    """The job failed; `reason` is one readable line."""

    reason: str


@dataclass(frozen=True)
class End:
    """The last event of a job."""

    job: str
    status: Outcome
    reason: str | None = None


Event = Phase | Progress | Epoch | Note | Warning | Result | Failure | End

EVENTS: dict[str, type[Event]] = {
    "phase": Phase,
    "progress": Progress,
    "epoch": Epoch,
    "note": Note,
    "warning": Warning,
    "result": Result,
    "failure": Failure,
    "end": End,
}
_NAMES = {kind: name for name, kind in EVENTS.items()}


def encode(event: Event) -> str:
    """One line of JSON without the newline. Numbers that are not finite become null."""
    document = {"event": _NAMES[type(event)]} | {one.name: _plain(getattr(event, one.name)) for one in fields(event)}
    return json.dumps(document, ensure_ascii=False, allow_nan=False)


def decode(line: str) -> Event:
    """The event on `line`. Raises `InvalidRequest` when it is none."""
    try:
        document = json.loads(line)
        kind = EVENTS[document.pop("event")]
        return _build(kind, document)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InvalidRequest(f"this is not an event of a training job: {line[:200]!r}") from error


def result_json(result: TrainingResult) -> dict[str, Any]:
    """A `TrainingResult` as plain JSON values."""
    return {one.name: _plain(getattr(result, one.name)) for one in fields(result)}


def result_from_json(document: Mapping[str, Any]) -> TrainingResult:
    """The inverse of `result_json`."""
    quarantined = tuple(Quarantined(**one) for one in document["quarantined"])
    return TrainingResult(**{**document, "quarantined": quarantined})


def _build(kind: type[Event], document: dict[str, Any]) -> Event:
    if kind is Result:
        return Result(result_from_json(document["result"]))
    if kind is End:
        return End(**{**document, "status": Outcome(document["status"])})
    return kind(**document)


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, TrainingResult):
        return result_json(value)
    if isinstance(value, Quarantined):
        return {"path": value.path, "reason": value.reason}
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return value
