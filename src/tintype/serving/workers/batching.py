"""When a batch is released, and why: pure decisions, asked whenever something changes.

A network that has nothing to do waits only for what is on its way, and never longer than its oldest picture may wait.
While it works, pictures gather by themselves. So batches grow with the load, and one caller alone never waits.

They grow only as far as it pays. On a GPU thirty-two pictures take little longer than one; on a processor they often
take thirty-two times as long, and whoever comes while such a batch is out waits for all of it, for nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
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


WORTH = 0.95                # of a smaller batch's time for each picture: what a larger one must not be above
ENOUGH = 3                  # batches of about a size, before anything is made of them
FORGOTTEN_SECONDS = 30.0    # after the last one of its size
BACKLOG = 4                 # batches that wait: then larger ones are sent
WEIGHT = 0.3                # of the newest batch in the mean


@dataclass
class _Size:
    """Batches of about so many pictures."""

    per_picture: float      # seconds, a mean in which old batches count less
    count: int
    at: float               # of the last one


@final
class BatchSizes:
    """How many pictures at once are worth it, learned from how long batches take."""

    def __init__(self, most: int) -> None:
        """Never more than `most`."""
        self._most = most
        self._seen: dict[int, _Size] = {}       # by the largest power of two that is not above a batch's size

    def note(self, pictures: int, seconds: float, now: float) -> None:
        """A batch has come back; `now` is of any clock that only goes on."""
        step, per_picture = 1 << pictures.bit_length() - 1, seconds / pictures
        seen = self._seen.get(step)
        if seen is None or now - seen.at > FORGOTTEN_SECONDS:
            self._seen[step] = _Size(per_picture, 1, now)
            return
        seen.per_picture += WEIGHT * (per_picture - seen.per_picture)
        seen.count, seen.at = seen.count + 1, now

    def most(self, now: float, waiting: int = 0) -> int:
        """The most that the next batch should have, with so many `waiting`.

        As many as pay, or a step more where that has not been tried; a quarter of those that wait when that is more: a
        backlog says that these sizes do not keep up, whatever a busy machine made them look like.
        """
        return min(max(self._worth(now), waiting // BACKLOG), self._most)

    def _worth(self, now: float) -> int:
        best, before = 0.0, 0
        for step in self._steps():
            seen = self._seen.get(step)
            if seen is None or seen.count < ENOUGH or now - seen.at > FORGOTTEN_SECONDS:
                if best:
                    return step
                continue
            if best and seen.per_picture > WORTH * best:
                return before
            best = min(best or seen.per_picture, seen.per_picture)
            before = step
        return self._most

    def _steps(self) -> Iterable[int]:
        return (1 << power for power in range(self._most.bit_length()))


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
