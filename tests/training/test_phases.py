from __future__ import annotations

import pytest

from tintype.training.events import Event, Phase, Progress
from tintype.training.phases import Phases


def test_parts_are_timed_told_and_summed() -> None:
    events: list[Event] = []
    phases = Phases(events.append)
    for _ in range(2):
        with phases("decode"):
            pass
    phases.add("train", 1.5)
    assert [event.name for event in events if isinstance(event, Phase)] == ["decode", "decode"]
    assert phases.seconds["train"] == 1.5
    assert 0 <= phases.seconds["decode"] < phases.elapsed + 1


def test_a_part_that_fails_is_not_told() -> None:
    events: list[Event] = []
    with pytest.raises(KeyError), Phases(events.append)("decode"):
        raise KeyError
    assert events == []


def test_progress_is_told_at_a_pace_and_at_the_end() -> None:
    events: list[Event] = []
    report = Phases(events.append).progress("decode")
    for done in range(1, 1001):
        report(done, 1000)
    assert events[0] == Progress("decode", 1, 1000)
    assert events[-1] == Progress("decode", 1000, 1000)
    assert len(events) < 100
