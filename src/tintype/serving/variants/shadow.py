"""A shadow: it is asked what a variant was asked, after the real answer has gone out, and its answer is only compared.

It never delays or harms a real answer: a request is handed to it when it has been answered, at most `MOST_IN_FLIGHT` of
them are with it, more are passed over and counted, and whatever it raises is counted.
"""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import replace
from typing import Any, final

from tintype.errors import TintypeError
from tintype.serving.front.invocation import Answer, Invocation
from tintype.serving.variants.running_variant import RunningVariant

MOST_IN_FLIGHT = 4
ANSWER_SECONDS = 30.0

log = logging.getLogger(__name__)


@final
class Shadow:
    """One shadow variant. One event loop uses it."""

    def __init__(self, running: RunningVariant, percent: float) -> None:
        self.running = running
        self.percent = percent
        self.compared = 0                   # pictures that both models named
        self.agreed = 0                     # ... and named alike
        self.passed_over = 0                # requests, because it was busy
        self._seen = 0
        self._tasks: set[asyncio.Task[None]] = set()

    def mirror(self, invocation: Invocation, answer: Answer) -> None:
        """Ask it as well, if this is one of the requests that it gets. Never waits, never raises."""
        self._seen += 1
        if int(self._seen * self.percent / 100) == int((self._seen - 1) * self.percent / 100):
            return
        if len(self._tasks) >= MOST_IN_FLIGHT:
            self.passed_over += 1
            return
        asked = replace(invocation, deadline=time.monotonic() + ANSWER_SECONDS, target_variant=None)
        task = asyncio.get_running_loop().create_task(self._ask(asked, answer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def retire(self, patience_seconds: float) -> None:
        """End it."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.running.retire(patience_seconds)

    def facts(self, now: float) -> dict[str, Any]:
        """What the page and `tintype endpoints show` tell of it."""
        return {
            **self.running.facts(now),
            "percent": self.percent,
            "compared": self.compared,
            "agreement": self.agreed / self.compared if self.compared else None,
            "passed_over": self.passed_over,
        }

    async def _ask(self, invocation: Invocation, answer: Answer) -> None:
        try:
            own = await self.running.invoke(invocation)
        except TintypeError:
            return                          # counted by the variant, and nobody waits for it
        except Exception:
            log.exception("shadow %s failed on request %s", self.running.name, invocation.request_id)
            return
        self.running.drift.see(own)
        for theirs, ours in zip(answer.classified, own.classified, strict=False):
            self.compared += 1
            self.agreed += theirs.label == ours.label
