"""All variants of one version of an endpoint's configuration, running."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import final

from tintype.serving.endpoints.config import EndpointConfig, ModelSource
from tintype.serving.variants.health import Health, health_of
from tintype.serving.variants.router import Route
from tintype.serving.variants.running_variant import RunningVariant

Start = Callable[[str, ModelSource, int], Awaitable[RunningVariant]]    # (variant, its model, workers) -> it answers


@final
@dataclass
class Fleet:
    """The variants of a version by name. `version` and `config` change in place when no new replicas are needed."""

    version: int
    config: EndpointConfig
    variants: dict[str, RunningVariant]

    @property
    def routes(self) -> tuple[Route[RunningVariant], ...]:
        """Where its requests go, by the weights of its configuration."""
        return tuple(Route(one.name, one.weight, self.variants[one.name]) for one in self.config.variants)

    def health(self, now: float, since: float = float("-inf")) -> Health:
        """Of all variants together."""
        return health_of((one.window for one in self.variants.values()), now, since)

    async def retire(self, patience_seconds: float) -> None:
        """End all of it, each variant once nothing is in flight there."""
        await asyncio.gather(*(one.retire(patience_seconds) for one in self.variants.values()))


async def start_fleet(version: int, config: EndpointConfig, start: Start) -> Fleet:
    """Start the replicas of all variants at once. When one of them does not come up, or this is cancelled, the others
    are ended and its error is raised.
    """
    tasks = [asyncio.ensure_future(start(one.name, one.model, one.first_workers)) for one in config.variants]
    try:
        started = await asyncio.gather(*tasks)
    except BaseException:
        for task in tasks:
            task.cancel()
        for outcome in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(outcome, RunningVariant):
                await outcome.retire(0)
        raise
    return Fleet(version, config, {one.name: one for one in started})
