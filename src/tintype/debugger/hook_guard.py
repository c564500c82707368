"""Where errors of the debugger end: they are noted, and the training goes on; after too many the debugger leaves it."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from typing import Any, final

from tintype.debugger.capture_tensors import uncompiled
from tintype.errors import Conflict

MOST_FAILURES = 100         # then the debugger stands down

logger = logging.getLogger(__name__)


@final
class HookGuard:
    """Whether a hook is at work in this process, and what becomes of its errors.

    `note` counts an error and says how often that one has happened; `leave` is called once, when the hook stands down.
    """

    def __init__(self, note: Callable[[Exception], int], leave: Callable[[], None]) -> None:
        self._note = note
        self._leave = leave
        self._is_on, self._process = True, os.getpid()

    @property
    def is_awake(self) -> bool:
        """At work, and not in a process that was forked from the one it was made in."""
        return self._is_on and os.getpid() == self._process

    def __call__(self, action: Callable[[], Any]) -> None:
        """Do something that must not disturb the training."""
        if not self._is_on:
            return
        try:
            with uncompiled():
                action()
        except Exception as error:
            self._failed(error)

    def stand_down(self) -> None:
        """Do nothing more."""
        self._is_on = False
        self._leave()

    def _failed(self, error: Exception) -> None:
        count = self._note(error)
        if count >= MOST_FAILURES or isinstance(error, Conflict):       # somebody else's log: it will not become ours
            logger.error("the debugger stands down after %s failures; the training goes on", count)
            self.stand_down()
