"""One update under way: the new replicas, being started or on trial, and where `rollout` says that it stands."""

from __future__ import annotations

import asyncio
import contextlib
from typing import final

from tintype.errors import JobFailed
from tintype.serving.endpoints.desired import Desired
from tintype.serving.updates.rollout import Rollout, Seen, advance
from tintype.serving.variants.fleet import Fleet, Start, start_fleet
from tintype.serving.variants.health import Health
from tintype.serving.variants.live_endpoint import TRIAL_SECONDS, LiveEndpoint
from tintype.serving.variants.router import blend

TRIAL_SLOWDOWN = 10.0       # so many times the old replicas' p99 may an answer of new ones take


@final
class Update:
    """It is begun when it is made."""

    def __init__(self, wanted: Desired, start: Start, now: float) -> None:
        self.wanted = wanted
        self.rollout = Rollout(now)
        self.new: Fleet | None = None
        self._starting = asyncio.create_task(start_fleet(wanted.version, wanted.config, start))
        self._old_health = Health()             # while the old replicas still had traffic

    def step(self, serving: Fleet, now: float) -> bool:
        """Look at both fleets and move on; True when the rollout is somewhere else now."""
        before = self.rollout
        self.rollout = advance(before, self.wanted.config.policy, self._seen(serving, now), now)
        return self.rollout != before

    def direct(self, live: LiveEndpoint, serving: Fleet) -> None:
        """Give the new replicas their share of the traffic, with the old ones behind them."""
        if self.new:
            live.trial = frozenset(self.new.variants.values())
            live.fallback = serving.routes
            live.trial_seconds = max(TRIAL_SECONDS, TRIAL_SLOWDOWN * self._old_health.p99)
            live.routes = blend(serving.routes, self.new.routes, self.rollout.share)

    async def abandon(self, drain_seconds: float) -> None:
        """End the new replicas, started or not. They get no traffic any more."""
        if self.new:
            await self.new.retire(drain_seconds)
        else:
            await cancelled(self._starting)

    def _seen(self, serving: Fleet, now: float) -> Seen:
        if self.new is None:
            if not self._starting.done():
                return Seen()
            try:
                self.new = self._starting.result()
            except Exception as error:          # whatever a model's start may raise is why the update is given up
                return Seen(failure=told(error))
        old = serving.health(now)
        if self.rollout.share < 1 and old.requests:
            self._old_health = old
        new = self.new.health(now, self.rollout.since) if self.rollout.share else Health()
        return Seen(ready=True, new=new, old=self._old_health)


async def cancelled(starting: asyncio.Task[Fleet]) -> None:
    """Stop a start; replicas that had come up already are ended."""
    starting.cancel()
    with contextlib.suppress(asyncio.CancelledError, Exception):
        await (await starting).retire(0)


def told(error: BaseException) -> str:
    """Why something did not start, in one line, with the last line of its log."""
    said = str(error).strip() or type(error).__name__
    tail = error.log_tail[-1:] if isinstance(error, JobFailed) else ()
    return "; ".join([said, *(line for line in tail if line not in said)])
