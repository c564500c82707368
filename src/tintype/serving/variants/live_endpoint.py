"""An endpoint as its front has it: the way of a request through it, and what is noted on the way.

`reconciler` sets the routes. While an update is on trial, a request that its new replicas fail, or are far too slow
with, is answered by the old ones: a bad update costs callers time and no answers.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, final

from tintype.errors import Busy, InvalidRequest
from tintype.serving.front.invocation import Answer, Arrival, Invocation
from tintype.serving.variants.router import Route, choose
from tintype.serving.variants.running_variant import RunningVariant
from tintype.serving.variants.shadow import Shadow
from tintype.serving.watching.capture import Capture

RECENT = 50                 # requests that the page shows
TRIAL_SECONDS = 1.0         # what new replicas get for an answer at least

log = logging.getLogger(__name__)
Routes = tuple[Route[RunningVariant], ...]


@final
@dataclass(frozen=True)
class RecentRequest:
    """A request as the page lists it."""

    at: float                       # seconds since the epoch
    request_id: str
    variant: str
    status: int
    seconds: float
    labels: tuple[str, ...]
    phases: Mapping[str, float]     # seconds by name


@final
class LiveEndpoint:
    """A `Model` that is made of variants. One event loop uses it."""

    def __init__(
        self, clock: Callable[[], float] = time.monotonic, wall_clock: Callable[[], float] = time.time
    ) -> None:
        self.routes: Routes = ()
        self.fallback: Routes = ()                      # the old replicas, while new ones are on trial
        self.trial: frozenset[RunningVariant] = frozenset()
        self.trial_seconds = TRIAL_SECONDS              # until an old one is asked instead
        self.shadows: dict[str, Shadow] = {}
        self.capture: Capture | None = None
        self.recent: deque[RecentRequest] = deque(maxlen=RECENT)
        self.rescued = 0                                # requests that new replicas failed and old ones answered
        self._number = 0                                # of the request whose turn it is
        self._rescue_numbers = itertools.count()        # of their own, so that rescues do not disturb the shares
        self._clock = clock
        self._wall_clock = wall_clock

    def check_room(self, arrival: Arrival) -> None:
        """`Busy` when the variant whose turn it is has no room, nor the old replicas that stand in for it."""
        running = self._next(arrival.target_variant)
        try:
            try:
                running.replicas.check_room(arrival)
            except Busy:
                if running not in self.trial or not self.fallback:
                    raise
                self._stand_in(arrival.target_variant).replicas.check_room(arrival)
        except Busy:
            self._number += 1                   # it has had its turn: the other variants get theirs
            raise

    @property
    def is_alive(self) -> bool:
        """One of those that get traffic, or of those that stand in for them, has a process that could answer."""
        return any(one.weight > 0 and one.to.replicas.is_alive for one in (*self.routes, *self.fallback))

    async def invoke(self, invocation: Invocation) -> Answer:
        """The answer of one of the variants. `InvalidRequest` for a variant that there is not."""
        began = self._clock()
        running = self._next(invocation.target_variant)
        self._number += 1
        if running in self.trial and self.fallback:
            running, answer = await self._tried(running, invocation)
        else:
            answer = await running.invoke(invocation)
        answer = replace(answer, variant=running.name)
        seconds = self._clock() - began
        asyncio.get_running_loop().call_soon(self._note, running, invocation, answer, seconds)   # it is on its way then
        return answer

    def _next(self, target_variant: str | None) -> RunningVariant:
        if not self.routes:
            raise Busy("the endpoint is starting and has no replicas yet; try again in a moment")
        return choose(self.routes, self._number, target_variant).to

    async def _tried(self, new: RunningVariant, invocation: Invocation) -> tuple[RunningVariant, Answer]:
        began = self._clock()
        old = self._stand_in(invocation.target_variant)
        limit = asyncio.timeout(min(self.trial_seconds, (invocation.deadline - began) / 2))
        try:
            async with limit:
                answer = await new.invoke(invocation)
        except InvalidRequest:
            raise
        except TimeoutError:
            if limit.expired():         # otherwise it was its own, and has been counted
                new.failed(began)
        except Exception as error:
            log.warning("request %s: the new replicas failed, the old ones are asked: %s", invocation.request_id, error)
        else:
            if answer.status < 500:
                return new, answer
        self.rescued += 1
        return old, await old.invoke(invocation)

    def _stand_in(self, variant: str | None) -> RunningVariant:
        """The old replicas that answer when the new ones do not."""
        target = variant if any(route.variant == variant for route in self.fallback) else None
        return choose(self.fallback, next(self._rescue_numbers), target).to

    def _note(self, running: RunningVariant, invocation: Invocation, answer: Answer, seconds: float) -> None:
        """Whatever goes wrong in here is logged, and is not the request's affair."""
        try:
            labels = tuple(one.label for one in answer.classified)
            at, phases = self._wall_clock(), dict(answer.phases)
            self.recent.appendleft(
                RecentRequest(at, invocation.request_id, running.name, answer.status, seconds, labels, phases)
            )
            running.drift.see(answer)
            if self.capture:
                self.capture.offer(invocation, answer)
            for shadow in self.shadows.values():
                shadow.mirror(invocation, answer)
        except Exception:
            log.exception("request %s was answered, but could not be noted", invocation.request_id)

    def facts(self) -> dict[str, Any]:
        """What the page and `tintype endpoints show` tell of it."""
        now = self._clock()
        total = sum(route.weight for route in self.routes) or 1.0
        shares = {route.to: route.weight / total for route in self.routes}
        return {
            "variants": [
                {**running.facts(now), "share": share, "on_trial": running in self.trial}
                for running, share in shares.items()
            ],
            "shadows": [one.facts(now) for one in self.shadows.values()],
            "capture": asdict(self.capture.counts) if self.capture else None,
            "recent": [asdict(one) for one in self.recent],
            "rescued": self.rescued,
        }
