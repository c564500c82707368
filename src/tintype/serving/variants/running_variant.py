"""One variant that runs: its replicas, and what is known of how they do."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Mapping
from statistics import fmean
from typing import Any, Protocol, final

from tintype.errors import Busy, InvalidRequest
from tintype.models.archive import Archive
from tintype.serving.endpoints.config import ModelSource
from tintype.serving.front.invocation import Answer, Arrival, Invocation
from tintype.serving.variants.health import Outcome, Window
from tintype.serving.watching.drift_watch import DriftWatch, references_of

LOAD_SAMPLES = 20           # of the requests in flight, that the mean load is taken of


class ReplicaSet(Protocol):
    """The workers of one model, started and ready."""

    async def invoke(self, invocation: Invocation) -> Answer: ...

    def check_room(self, arrival: Arrival) -> None: ...

    @property
    def is_alive(self) -> bool: ...

    async def scale(self, workers: int) -> None:
        """Have that many workers; returns when they are ready, or the others have ended."""
        ...

    async def stop(self) -> None:
        """End all workers, those at work too."""
        ...

    def facts(self) -> Mapping[str, Any]:
        """What can be seen of them, in plain values."""
        ...


@final
class RunningVariant:
    """The replicas of one variant, measured. One event loop uses it."""

    def __init__(
        self,
        name: str,
        model: ModelSource,
        replicas: ReplicaSet,
        workers: int,
        *,
        label: str = "",
        archive: Archive | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`label` tells it in metrics from another of its name; `archive` is the model when it is one of ours."""
        self.name = name
        self.label = label or name
        self.model = model
        self.archive = archive
        self.replicas = replicas
        self.workers = workers
        self.window = Window()
        self.drift = DriftWatch(references_of(archive.description.metrics) if archive else None)
        self.in_flight = 0
        self.changed_at = clock()               # when the number of workers was last changed
        self._clock = clock
        self._load: deque[int] = deque(maxlen=LOAD_SAMPLES)
        self._idle = asyncio.Event()
        self._idle.set()

    async def invoke(self, invocation: Invocation) -> Answer:
        """The answer of the replicas. A failure of the model's counts as one; a mistake of the caller's does not, and
        neither does being turned away."""
        began = self._clock()
        self.in_flight += 1
        self._idle.clear()
        try:
            answer = await self.replicas.invoke(invocation)
        except Busy:
            raise
        except InvalidRequest:
            self.window.add(Outcome(self._clock(), self._clock() - began))
            raise
        except Exception:
            self.failed(began)
            raise
        finally:
            self.in_flight -= 1
            if not self.in_flight:
                self._idle.set()
        self.window.add(Outcome(self._clock(), self._clock() - began, answer.status >= 500, answer.phases))
        return answer

    def failed(self, began: float) -> None:
        """Count a request that was begun then and is given up."""
        self.window.add(Outcome(self._clock(), self._clock() - began, failed=True))

    def sample_load(self) -> float:
        """Note how much there is to do, and return the mean of the last notes."""
        self._load.append(self.in_flight)
        return fmean(self._load)

    async def scale(self, workers: int) -> None:
        """Have that many workers."""
        self.changed_at = self._clock()
        self.workers = workers
        await self.replicas.scale(workers)

    async def retire(self, patience_seconds: float) -> None:
        """End the replicas once nothing is in flight; whatever happens after `patience_seconds`."""
        try:
            async with asyncio.timeout(patience_seconds):
                await self._idle.wait()
        except TimeoutError:
            pass                                # their callers were told to wait no longer than that
        await self.replicas.stop()

    def facts(self, now: float) -> dict[str, Any]:
        """What the page and `tintype endpoints show` tell of it. Seconds."""
        health, engine = self.window.health(now), self.replicas.facts()
        return {
            "name": self.name,
            "label": self.label,
            "model": self.model.archive,
            "network": self.archive.description.network if self.archive else "",
            "runtime": str(engine.get("runtime", "")),
            "precision": str(engine.get("precision", "")),
            "why": str(engine.get("why", "")),              # that precision
            "workers": self.workers,
            "in_flight": self.in_flight,
            "requests": self.window.requests,
            "errors": self.window.errors,
            "recent": {"requests": health.requests, "errors": health.errors, "p50": health.p50, "p99": health.p99},
            "phases": {name: {"p50": p50, "p99": p99} for name, (p50, p99) in self.window.phases(now).items()},
            "drift": self.drift.facts(),
        }
