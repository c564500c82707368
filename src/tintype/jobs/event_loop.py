"""One thread that waits for many things at once: descriptors, signals, times, and one errand on another thread."""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import socket
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, final

Act = Callable[[], object]


@final
@dataclass
class Errand:
    """Something slow, done on a thread of its own, while the loop goes on."""

    work: Callable[[], Any]
    wake: Act
    result: Any = None
    error: Exception | None = None
    done: bool = field(default=False)

    def run(self) -> None:
        """Do it. What went wrong is kept for whoever waits."""
        try:
            self.result = self.work()
        except Exception as error:
            self.error = error
        self.done = True
        self.wake()


@final
class EventLoop:
    """Calls what was registered, one after another. `timer` is monotonic seconds."""

    def __init__(self, timer: Callable[[], float]) -> None:
        self.timer = timer
        self._selector = selectors.DefaultSelector()
        self._alarms: dict[str, tuple[float, Act]] = {}
        self._on_signal: Mapping[int, Act] = {}
        self.is_busy = False            # an errand is being done
        self._woken, self._waker = socket.socketpair()
        self._woken.setblocking(False)
        self._waker.setblocking(False)
        self.watch(self._woken.fileno(), self._hear)

    def close(self) -> None:
        """Give its own descriptors back."""
        self._selector.close()
        self._woken.close()
        self._waker.close()

    def watch(self, descriptor: int, act: Act) -> None:
        """Call `act` whenever there is something to read."""
        self._selector.register(descriptor, selectors.EVENT_READ, act)

    def forget(self, descriptor: int) -> None:
        """Watch it no more. It may be closed then."""
        self._selector.unregister(descriptor)

    def set_alarm(self, name: str, seconds: float, act: Act) -> None:
        """Call `act` once, so many seconds from now; instead of what was set under that name."""
        self._alarms[name] = (self.timer() + seconds, act)

    def is_set(self, name: str) -> bool:
        """An alarm of that name is still to come."""
        return name in self._alarms

    def cancel(self, name: str) -> None:
        """Forget an alarm, if it is set."""
        self._alarms.pop(name, None)

    def on_signals(self, acts: Mapping[int, Act]) -> None:
        """Call these from the loop, not within a handler. For the main thread."""
        self._on_signal = acts
        for number in acts:
            signal.signal(number, lambda *_: None)
        signal.set_wakeup_fd(self._waker.fileno(), warn_on_full_buffer=False)

    def run_until(self, done: Callable[[], bool]) -> None:
        """Wait and act until `done`."""
        while not done():
            for key, _ in self._selector.select(self._patience()):
                key.data()
            now = self.timer()
            for name, (due, act) in sorted(self._alarms.items(), key=lambda alarm: alarm[1][0]):
                if due <= now and self._alarms.get(name) == (due, act):
                    del self._alarms[name]
                    act()

    def run_errand(self, work: Callable[[], Any], given_up: Callable[[], bool]) -> Errand:
        """Do `work` on a thread and go on waiting and acting until it is done or given up."""
        errand = Errand(work, self._wake)
        self.is_busy = True
        threading.Thread(target=errand.run, name="errand", daemon=True).start()
        self.run_until(lambda: errand.done or given_up())
        self.is_busy = not errand.done
        return errand

    def _patience(self) -> float | None:
        due = min((due for due, _ in self._alarms.values()), default=None)
        return None if due is None else max(0.0, due - self.timer())

    def _wake(self) -> None:
        with contextlib.suppress(OSError):          # it is awake, or was closed without waiting for the errand
            self._waker.send(b"\0")

    def _hear(self) -> None:
        for number in sorted(set(os.read(self._woken.fileno(), 4096))):
            if act := self._on_signal.get(number):
                act()
