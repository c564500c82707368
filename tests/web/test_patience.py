"""What an operation sets going, and how long its client waits for it."""

from __future__ import annotations

import threading

import pytest

from tests.jobs.running_engine import until
from tintype.errors import Conflict, StorageFailed
from tintype.web.patience import set_going


def refuse() -> None:
    raise Conflict("the name is taken")


def test_what_is_soon_done_has_been_done_and_what_it_raises_is_raised() -> None:
    done: list[str] = []
    set_going("it is done", lambda: done.append("it"))
    assert done == ["it"]
    with pytest.raises(Conflict, match="the name is taken"):
        set_going("it is refused", refuse)


def test_what_takes_long_goes_on_by_itself() -> None:
    gate, done = threading.Event(), threading.Event()
    set_going("it is done", lambda: (gate.wait(60), done.set()), seconds=0.01)
    assert not done.is_set()
    gate.set()
    assert done.wait(60)


def test_what_fails_later_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    gate = threading.Event()

    def fail() -> None:
        gate.wait(60)
        raise StorageFailed("the disk is full")

    set_going("endpoint ants is created", fail, seconds=0.01)
    gate.set()
    until(lambda: "endpoint ants is created" in caplog.text and "the disk is full" in caplog.text)
