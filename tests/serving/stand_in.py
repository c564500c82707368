"""Replicas that answer in this process, for tests of what stands in front of them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from tintype.errors import Busy, JobFailed
from tintype.serving.endpoints.config import EndpointConfig, ModelSource, ProductionVariant
from tintype.serving.front.invocation import Answer, Arrival, Classified, Invocation
from tintype.serving.variants.running_variant import RunningVariant


@dataclass
class StandIn:
    """Answers its label, after a while, or fails. Remembers what it was asked and what became of it."""

    label: str
    workers: int = 1
    seconds: float = 0.0
    gate: asyncio.Event | None = None       # what it waits for besides
    broken: bool = False
    asked: int = 0
    at_work: int = 0
    stopped: bool = False
    cut_off: int = 0                # requests at work when it was stopped
    is_full: bool = False
    is_alive: bool = True

    def check_room(self, arrival: Arrival) -> None:
        if self.is_full:
            raise Busy(f"{self.label} is full", 1.0)

    async def invoke(self, invocation: Invocation) -> Answer:
        assert not self.stopped, "asked after its end"
        self.asked += 1
        self.at_work += 1
        try:
            await asyncio.sleep(self.seconds)
            if self.gate is not None:
                await self.gate.wait()
        finally:
            self.at_work -= 1
        if self.broken:
            raise JobFailed(f"{self.label} is broken")
        named = (Classified(0, self.label, 0.9),)
        return Answer(200, self.label.encode(), "text/plain", {"inference": self.seconds}, lambda: named, (0.5,))

    async def scale(self, workers: int) -> None:
        self.workers = workers

    def facts(self) -> dict[str, object]:
        return {"runtime": "a stand-in"}

    async def stop(self) -> None:
        self.cut_off += self.at_work
        self.stopped = True


@dataclass
class Stable:
    """Starts stand-ins: what the source's archive says is how they behave."""

    started: list[StandIn] = field(default_factory=list)
    start_seconds: float = 0.0
    clock: Callable[[], float] = time.monotonic

    async def start(self, name: str, model: ModelSource, workers: int) -> RunningVariant:
        await asyncio.sleep(self.start_seconds)
        if model.archive == "will-not-start":
            raise JobFailed("the worker ended with exit code 1", ("ModuleNotFoundError: no module named 'nope'",))
        slow = float(model.environment.get("seconds", "0"))
        made = StandIn(model.archive, workers, slow, broken=model.archive.startswith("broken"))
        self.started.append(made)
        return RunningVariant(name, model, made, workers, clock=self.clock)

    def of(self, archive: str) -> StandIn:
        """The newest that was started for that archive."""
        return next(one for one in reversed(self.started) if one.label == archive)


def config(*archives: str, weights: tuple[float, ...] = (), **more: object) -> EndpointConfig:
    """One variant per archive, named after it."""
    variants = [
        ProductionVariant(name=f"v{number}", model=ModelSource(archive=archive), weight=(weights or (1.0,) * 9)[number])
        for number, archive in enumerate(archives)
    ]
    return EndpointConfig(variants=tuple(variants), **more)


def asked(number: int = 0, body: bytes = b"picture", **more: object) -> Invocation:
    """A request."""
    return Invocation(f"id-{number}", body, "image/jpeg", **more)
