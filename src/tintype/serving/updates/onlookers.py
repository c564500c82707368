"""Who looks on at an endpoint's traffic, by its configuration: the shadows and the capture."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from typing import final

from tintype.serving.endpoints.config import EndpointConfig, ShadowVariant
from tintype.serving.updates.chores import Chores
from tintype.serving.variants.fleet import Start
from tintype.serving.variants.live_endpoint import LiveEndpoint
from tintype.serving.variants.shadow import Shadow
from tintype.serving.watching.capture import Capture, CaptureConfig

log = logging.getLogger(__name__)


@final
class Onlookers:
    """The shadows and the capture of a live endpoint, as the newest configuration that serves wants them."""

    def __init__(self, live: LiveEndpoint, start: Start, captures: Path, chores: Chores) -> None:
        """`captures` is where captured data goes unless the configuration says otherwise."""
        self._live = live
        self._start = start
        self._captures = captures
        self._chores = chores
        self._wanted: dict[str, ShadowVariant] = {}
        self._starting: set[str] = set()

    def apply(self, config: EndpointConfig) -> None:
        """Have it as the configuration says, soon."""
        self._wanted = {one.name: one for one in config.shadows}
        self._apply_capture(config.capture)
        for name, shadow in list(self._live.shadows.items()):
            self._apply_shadow(name, shadow)
        for name in self._wanted.keys() - self._live.shadows.keys() - self._starting:
            self._starting.add(name)
            self._chores.begin(self._start_shadow(self._wanted[name]))

    async def close(self) -> None:
        """End all of it; what was captured is written."""
        self._wanted = {}
        shadows, self._live.shadows = self._live.shadows, {}
        await asyncio.gather(*(one.retire(0) for one in shadows.values()))
        capture, self._live.capture = self._live.capture, None
        if capture:
            await asyncio.to_thread(capture.close)

    def _apply_capture(self, wanted: CaptureConfig | None) -> None:
        capture = self._live.capture
        if wanted == (capture.config if capture else None):
            return
        if capture:
            self._chores.begin(asyncio.to_thread(capture.close))
        self._live.capture = Capture.begin(self._captures, wanted) if wanted else None

    def _apply_shadow(self, name: str, shadow: Shadow) -> None:
        wanted = self._wanted.get(name)
        if wanted is None or wanted.model != shadow.running.model:
            del self._live.shadows[name]
            self._chores.begin(shadow.retire(0))
            return
        shadow.percent = wanted.percent
        if shadow.running.workers != wanted.workers:
            self._chores.begin(shadow.running.scale(wanted.workers))

    async def _start_shadow(self, wanted: ShadowVariant) -> None:
        try:
            running = await self._start(wanted.name, wanted.model, wanted.workers)
        except Exception as error:              # the variants that answer are none the worse for it
            log.error("shadow %s does not start: %s", wanted.name, error)
            return
        finally:
            self._starting.discard(wanted.name)
        shadow = Shadow(running, wanted.percent)
        if self._wanted.get(wanted.name) == wanted:
            self._live.shadows[wanted.name] = shadow
        else:
            await shadow.retire(0)
