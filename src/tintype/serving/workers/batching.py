"""When a batch is released, and why: a pure decision, asked whenever something changes.

A network that has nothing to do waits only for what is on its way, and never longer than its oldest picture may wait.
While it works, pictures gather by themselves. So batches grow with the load, and one caller alone never waits.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import final


class Reason(StrEnum):
    """Why a batch was released."""

    FULL = "full"               # as many pictures as a batch may have
    ALL_HERE = "all_here"       # no other picture is being decoded, so waiting would bring nothing
    WAITED = "waited"           # its oldest picture has waited as long as one may
    RETRY = "retry"             # a request whose worker died, on its own this time


@final
@dataclass(frozen=True)
class BatchLimits:
    """How large a batch may be (pictures), and how long its oldest may wait for others (seconds)."""

    pictures: int
    wait_seconds: float


def reason_to_release(limits: BatchLimits, waiting: int, oldest_waited: float, on_their_way: int) -> Reason | None:
    """Why to give the `waiting` pictures (at least one) to an idle network now; None: wait for more.

    `oldest_waited` is in seconds; `on_their_way` counts the requests whose pictures are being decoded.
    """
    if waiting >= limits.pictures:
        return Reason.FULL
    if not on_their_way:
        return Reason.ALL_HERE
    if oldest_waited >= limits.wait_seconds:
        return Reason.WAITED
    return None
