from __future__ import annotations

import json

import pytest

from tintype.errors import InvalidRequest
from tintype.training.events import (
    EVENTS,
    End,
    Epoch,
    Event,
    Failure,
    Note,
    Outcome,
    Phase,
    Progress,
    Quarantined,
    Result,
    TrainingResult,
    Warning,
    decode,
    encode,
)

RESULT = TrainingResult(
    name="job",
    metrics={"valid": {"loss": 0.5, "accuracy": 0.75}, "test": None},
    best_epoch=2,
    epochs=3,
    seconds=1.5,
    phases={"train": 1.0},
    quarantined=(Quarantined("bad/ä.jpg", "truncated"),),
    archive=None,
    hyperparameters={"lr": 0.1, "weights": None},
)
SAMPLES: list[Event] = [
    Phase("decode", 0.5),
    Progress("decode", 3, 10),
    Epoch(1, 3, {"train:loss": 0.7, "lr": 0.1}, 2.0),
    Note("weights from /w.pth"),
    Warning("1 file is set aside"),
    Result(RESULT),
    Failure("the disk is full"),
    End("job", Outcome.STOPPED),
    End("job", Outcome.FAILED, "no such file"),
]


@pytest.mark.parametrize("event", SAMPLES, ids=lambda event: type(event).__name__)
def test_an_event_survives_its_line(event: Event) -> None:
    line = encode(event)
    assert "\n" not in line
    assert decode(line) == event


def test_there_is_a_sample_of_every_event() -> None:
    assert {type(event) for event in SAMPLES} == set(EVENTS.values())


def test_numbers_that_are_none_become_null() -> None:
    document = json.loads(encode(Epoch(1, 1, {"a": float("nan"), "b": float("inf")}, 1.0)))
    assert document["metrics"] == {"a": None, "b": None}


@pytest.mark.parametrize("line", ["", "hello", "[]", '{"event": "party"}', '{"event": "note"}', '{"event": "end"}'])
def test_what_is_no_event_is_refused(line: str) -> None:
    with pytest.raises(InvalidRequest, match="not an event"):
        decode(line)
