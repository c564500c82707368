"""Makes what runs what is wanted: the loop of an endpoint's front.

`start` brings up what served last, or what is wanted when nothing did. From then on, level-triggered, each turn looks
at what is wanted and at what there is, and takes the next step from the one to the other, whatever happened before. So
a front that was killed in the middle of an update begins the update anew, unless it had been given up.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import final

from tintype.errors import TintypeError
from tintype.serving.endpoints.desired import Desired, Wishes
from tintype.serving.endpoints.kept_models import KeptModels
from tintype.serving.updates.chores import Chores
from tintype.serving.updates.onlookers import Onlookers
from tintype.serving.updates.rollout import Stage
from tintype.serving.updates.update import Update
from tintype.serving.variants.fleet import Fleet, Start, start_fleet
from tintype.serving.variants.live_endpoint import LiveEndpoint
from tintype.serving.variants.scaling import Load, wanted_workers

TURN_SECONDS = 0.2
ROLLING_BACK = "RollingBack"    # the observed stage while rejected replicas still end

log = logging.getLogger(__name__)


@final
class Reconciler:
    """The wishes of one endpoint, carried out: `start`, then `run` until it is cancelled, then `close`."""

    def __init__(
        self,
        live: LiveEndpoint,
        wishes: Wishes,
        start: Start,
        models: KeptModels,
        *,
        captures: Path,
        drain_seconds: float = 20.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`captures` is where captured data goes unless the configuration says otherwise."""
        self.live = live
        self.observed = self._written = wishes.observed()
        self._wishes = wishes
        self._start = start
        self._models = models
        self._drain_seconds = drain_seconds
        self._clock = clock
        self._chores = Chores()
        self._onlookers = Onlookers(live, start, captures, self._chores)
        self._serving: Fleet | None = None
        self._update: Update | None = None
        self._desired: Desired | None = None                # as it was last read
        self._stamp: tuple[int, int] | None = None
        self._complaint = ""
        self._leaving: asyncio.Task[None] | None = None     # the replicas of an update that was given up

    async def start(self) -> None:
        """Start the first replicas; they answer when this returns. Raises whatever their start raises, and then nothing
        is left of them.
        """
        version, config = self.observed.version, self.observed.config
        if config is None:
            wanted = await asyncio.to_thread(self._wishes.desired)
            version, config = wanted.version, await self._models.keep(wanted.config)
        self._serve(await start_fleet(version, config, self._start))
        await self._tell()

    async def run(self) -> None:
        """Turn after turn, until cancelled."""
        while True:
            try:
                await self.turn()
            except Exception:               # a bug of ours: what serves goes on, and so does this
                log.exception("the endpoint could not be looked after")
            await asyncio.sleep(TURN_SECONDS)

    async def turn(self) -> None:
        """Take the next step, if there is one. What cannot be done now is tried again in the next turn."""
        assert self._serving is not None  # noqa: S101 - `start` has returned
        try:
            self._follow(self._serving, await self._read())
            await self._tell()
            self._complaint = ""
        except TintypeError as error:
            if str(error) != self._complaint:       # once, and not five times a second
                log.error("%s", error)
            self._complaint = str(error)
        self._scale_by_load(self._serving)

    async def close(self) -> None:
        """End all replicas; what is in flight may end first, and new requests are refused."""
        self.live.routes = self.live.fallback = ()
        work = [self._onlookers.close()]
        if self._serving:
            work.append(self._serving.retire(self._drain_seconds))
        if self._update:
            work.append(self._update.abandon(self._drain_seconds))
        await asyncio.gather(*work)
        await self._chores.finish()

    def _serve(self, fleet: Fleet) -> None:
        """From now on this one answers alone."""
        self._serving = fleet
        self._route_to(fleet)
        self._onlookers.apply(fleet.config)
        seen = max(fleet.version, self.observed.seen)
        self._observe(version=fleet.version, config=fleet.config, seen=seen, stage="", share=0.0)

    def _route_to(self, fleet: Fleet) -> None:
        self.live.routes, self.live.fallback, self.live.trial = fleet.routes, (), frozenset()

    # from what serves to what is wanted

    def _follow(self, serving: Fleet, desired: Desired) -> None:
        if self._leaving and self._leaving.done():
            self._leaving = None
            self._observe(stage="")
        if self._update and self._update.wanted.version != desired.version:
            self._give_up(serving, self._update, "a newer update took its place")
        elif self._update:
            self._step(serving, self._update)
        elif desired.version > max(serving.version, self.observed.rejected) and self._leaving is None:
            if serving.config.runs_the_same_models(desired.config):
                self._adjust(serving, desired)
            else:
                log.info("update to version %d begins", desired.version)
                self._update = Update(desired, self._start, self._clock())
                self._observe(seen=desired.version, stage=Stage.STARTING, share=0.0, reason="")

    def _adjust(self, serving: Fleet, desired: Desired) -> None:
        """In place: weights, numbers of workers, shadows, capture."""
        before = {one.name: one for one in serving.config.variants}
        serving.version, serving.config = desired.version, desired.config
        for one in desired.config.variants:
            old, running = before[one.name], serving.variants[one.name]
            if (one.workers, one.scaling) != (old.workers, old.scaling) and running.workers != one.first_workers:
                self._chores.begin(running.scale(one.first_workers))
        self._observe(reason="")
        self._serve(serving)

    def _step(self, serving: Fleet, update: Update) -> None:
        if not update.step(serving, self._clock()):
            return
        rollout = update.rollout
        log.info("update to version %d: %s, %.0f %%", update.wanted.version, rollout.stage, rollout.share * 100)
        if rollout.stage is Stage.ROLLED_BACK:
            self._give_up(serving, update, rollout.reason)
        elif rollout.stage is Stage.COMPLETE and update.new:
            self._update = None
            self._serve(update.new)
            self._chores.begin(serving.retire(self._drain_seconds))
        else:
            update.direct(self.live, serving)
            self._observe(stage=rollout.stage, share=rollout.share)

    def _give_up(self, serving: Fleet, update: Update, reason: str) -> None:
        log.warning("update to version %d is given up: %s", update.wanted.version, reason)
        self._update = None
        self._route_to(serving)
        self._leaving = self._chores.begin(update.abandon(self._drain_seconds))
        rejected = max(update.wanted.version, self.observed.rejected)
        self._observe(rejected=rejected, reason=reason, stage=ROLLING_BACK, share=0.0)

    # beside it

    def _scale_by_load(self, serving: Fleet) -> None:
        now = self._clock()
        for one in serving.config.variants:
            running = serving.variants[one.name]
            load = Load(running.workers, running.sample_load(), now - running.changed_at)
            if one.scaling and (wanted := wanted_workers(load, one.scaling)) != running.workers:
                log.info("variant %s: %d workers become %d", one.name, running.workers, wanted)
                self._chores.begin(running.scale(wanted))

    def _observe(self, **changes: object) -> None:
        self.observed = self.observed.model_copy(update=changes)

    async def _read(self) -> Desired:
        """What is wanted, over models that are kept here; the file is read when it has changed."""
        stamp = self._wishes.stamp()
        if self._desired is None or stamp != self._stamp:
            wanted = await asyncio.to_thread(self._wishes.desired)
            self._desired, self._stamp = await self._kept(wanted), stamp
        return self._desired

    async def _kept(self, wanted: Desired) -> Desired:
        """The same wish over models that are kept here, if it is new. When they cannot be, it is given up."""
        if wanted.version <= max(self.observed.version, self.observed.rejected):
            return wanted
        try:
            config = await self._models.keep(wanted.config)
        except (TintypeError, OSError) as error:
            log.warning("update to version %d is given up: %s", wanted.version, error)
            self._observe(seen=wanted.version, rejected=wanted.version, reason=str(error))
            return wanted
        await asyncio.to_thread(self._models.forget, config, self.observed.config)
        return wanted.model_copy(update={"config": config})

    async def _tell(self) -> None:
        """Write what is, when it has changed."""
        if self.observed != self._written:
            telling = self.observed
            await asyncio.to_thread(self._wishes.tell, telling)
            self._written = telling
