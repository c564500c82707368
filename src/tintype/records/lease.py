"""Leases: who may write about something, and how others see that the holder no longer lives.

Whoever looks after a job, a tuning job or a home holds its lease. A lease has a token that is larger than those of all
holders before; a write that carries a lease is refused once a newer token exists. So a holder that was frozen, replaced
and then revived cannot write over its successor, whatever it believes.

No clock of the wall decides anything. A lease is lost when its owner is known to be dead, or when an observer saw it
not renewed for so long by its own monotonic clock (`LeaseWatch`). To take a lost lease over, say which one: the store
refuses when it was renewed meanwhile.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import final

from tintype.records.owner import Owner, is_known_dead


@final
@dataclass(frozen=True)
class Lease:
    """One holder's right, as it was when read. `renewals` counts the holder's signs of life."""

    kind: str
    name: str
    token: int
    owner: Owner
    renewals: int = 0

    @property
    def key(self) -> tuple[str, str]:
        """What it is about."""
        return self.kind, self.name

    def renewed(self) -> Lease:
        """With one more sign of life."""
        return replace(self, renewals=self.renewals + 1)


@final
class LeaseWatch:
    """One process's memory of when it saw which lease change. One thread uses it.

    `timer` gives seconds from anywhere and never goes back.
    """

    def __init__(self, ttl_seconds: float, here: Owner, timer: Callable[[], float] = time.monotonic) -> None:
        self._ttl_seconds = ttl_seconds
        self._here = here
        self._timer = timer
        self._seen: dict[tuple[str, str], tuple[int, int, float]] = {}      # token, renewals, when they were new

    def is_lost(self, lease: Lease) -> bool:
        """Whether the holder is dead or was silent for too long. Ask again and again, with the newest reading."""
        if is_known_dead(lease.owner, self._here):
            return True
        token, renewals, since = self._seen.get(lease.key, (0, -1, 0.0))
        if (token, renewals) == (lease.token, lease.renewals):
            return self._timer() - since >= self._ttl_seconds
        self._seen[lease.key] = (lease.token, lease.renewals, self._timer())
        return False

    def forget(self, lease: Lease) -> None:
        """Stop remembering: it was taken over, or what it is about has ended."""
        self._seen.pop(lease.key, None)
