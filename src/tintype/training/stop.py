"""A request to stop, made from another thread or a signal handler, and looked at by the loop."""

from __future__ import annotations

from enum import IntEnum
from typing import final


class Patience(IntEnum):
    """When a job that was asked to stop does so."""

    NEVER = 0
    AFTER_EPOCH = 1         # a tuner has seen enough: end with the results so far
    AFTER_STEP = 2          # the machine wants its place back: save and go


@final
class Stop:
    """Set by others, read by the loop. Asking again may only make it more urgent."""

    def __init__(self) -> None:
        self._asked = Patience.NEVER

    def ask(self, when: Patience) -> None:
        """Ask the job to stop; safe inside a signal handler."""
        self._asked = max(self._asked, when)

    @property
    def after_epoch(self) -> bool:
        """True when no further epoch should begin."""
        return self._asked >= Patience.AFTER_EPOCH

    @property
    def after_step(self) -> bool:
        """True when no further step should begin."""
        return self._asked >= Patience.AFTER_STEP
