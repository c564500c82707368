"""What the front of an endpoint serves: its variants, as its directory says that they should be, and its page."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator
from pathlib import Path
from typing import final

from tintype.serving.endpoints.config import ModelSource
from tintype.serving.endpoints.desired import Wishes
from tintype.serving.endpoints.endpoint import ServerDirectory
from tintype.serving.endpoints.kept_models import KeptModels
from tintype.serving.front.front import Served, Serving
from tintype.serving.model_definition import ModelDefinition
from tintype.serving.pages.try_page import TryPage
from tintype.serving.settings import ServerSettings
from tintype.serving.updates.reconciler import Reconciler
from tintype.serving.variants.live_endpoint import LiveEndpoint
from tintype.serving.variants.replicas import Replicas, Surroundings
from tintype.serving.variants.running_variant import RunningVariant
from tintype.serving.watching.endpoint_metrics import EndpointMetrics

CAPTURES = "capture"            # below the endpoint's directory


def one_endpoint(name: str, directory: Path) -> Serving:
    """Serve the endpoint whose `desired.Wishes` are in `directory`."""

    @contextlib.asynccontextmanager
    async def serving(settings: ServerSettings, around: Surroundings) -> AsyncIterator[Served]:
        live = LiveEndpoint()
        reconciler = Reconciler(
            live,
            Wishes(directory),
            _Starter(settings, around).start,
            KeptModels(ServerDirectory(directory).models),
            captures=directory / CAPTURES,
            drain_seconds=settings.drain_seconds,
        )
        try:
            await reconciler.start()
            around.metrics.registry.register(EndpointMetrics(live))
            turning = asyncio.create_task(reconciler.run())
            try:
                yield Served(live, TryPage(name, live).routes)
            finally:
                turning.cancel()
                await asyncio.gather(turning, return_exceptions=True)
        finally:
            await reconciler.close()

    return serving


@final
class _Starter:
    """Starts replicas. Those of an update have another label than those that they are to follow."""

    def __init__(self, settings: ServerSettings, around: Surroundings) -> None:
        self._settings = settings
        self._around = around
        self._numbers = itertools.count(2)
        self._labels: set[str] = set()

    async def start(self, name: str, model: ModelSource, workers: int) -> RunningVariant:
        label = f"{name}-{next(self._numbers)}" if name in self._labels else name
        self._labels.add(label)
        definition = ModelDefinition(
            archive=model.archive, name=label, source=model.code, environment=model.environment, workers=workers
        )
        replicas = await Replicas.start(definition, self._settings, self._around)
        return RunningVariant(name, model, replicas, workers, label=label, archive=replicas.ours)
