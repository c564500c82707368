"""One thread waits for descriptors, signals, alarms and an errand."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator

import pytest

from tintype.jobs.event_loop import EventLoop


@pytest.fixture
def loop() -> Iterator[EventLoop]:
    loop = EventLoop(time.monotonic)
    yield loop
    loop.close()


def test_alarms_ring_in_their_order_once(loop: EventLoop) -> None:
    heard: list[str] = []
    loop.set_alarm("b", 0.02, lambda: heard.append("b"))
    loop.set_alarm("a", 0.01, lambda: heard.append("a"))
    loop.set_alarm("never", 0.01, lambda: heard.append("never"))
    loop.cancel("never")
    loop.set_alarm("again", 0.01, lambda: loop.set_alarm("again", 0.01, lambda: heard.append("again")))
    assert loop.is_set("a")
    loop.run_until(lambda: len(heard) == 3)
    assert heard[0] == "a"
    assert sorted(heard) == ["a", "again", "b"]
    assert not loop.is_set("a")


def test_descriptors_are_watched(loop: EventLoop) -> None:
    reading, writing = os.pipe()
    heard: list[bytes] = []
    loop.watch(reading, lambda: heard.append(os.read(reading, 10)))
    os.write(writing, b"x")
    loop.run_until(lambda: bool(heard))
    loop.forget(reading)
    os.write(writing, b"y")
    loop.set_alarm("over", 0.02, lambda: heard.append(b"over"))
    loop.run_until(lambda: len(heard) == 2)
    assert heard == [b"x", b"over"]
    os.close(reading)
    os.close(writing)


def test_signals_are_heard_in_the_loop(loop: EventLoop) -> None:
    heard: list[int] = []
    before = signal.getsignal(signal.SIGUSR1)
    try:
        loop.on_signals({signal.SIGUSR1: lambda: heard.append(threading.get_ident())})
        os.kill(os.getpid(), signal.SIGUSR1)
        loop.run_until(lambda: bool(heard))
        assert heard == [threading.get_ident()]
    finally:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGUSR1, before)


def test_an_errand_is_done_on_the_side(loop: EventLoop) -> None:
    ticks = threading.Semaphore(0)

    def tick() -> None:
        ticks.release()
        loop.set_alarm("tick", 0.01, tick)

    tick()
    errand = loop.run_errand(lambda: [ticks.acquire(timeout=60) for _ in range(3)], given_up=lambda: False)
    assert errand.result == [True] * 3
    assert not loop.is_busy


def test_an_errand_may_fail_or_be_given_up(loop: EventLoop) -> None:
    errand = loop.run_errand(lambda: 1 / 0, given_up=lambda: False)
    assert isinstance(errand.error, ZeroDivisionError)
    loop.set_alarm("enough", 0.02, lambda: None)
    release = threading.Event()
    errand = loop.run_errand(release.wait, given_up=lambda: not loop.is_set("enough"))
    assert errand.result is None
    assert loop.is_busy
    release.set()
