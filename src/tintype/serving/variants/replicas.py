"""The running copies of one model: what an endpoint's variant is asked through.

Several may be in one front, and come and go while others serve. What is behind one, the fast path of our own archives
or the processes of a user's script, nobody else knows.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import tempfile
import time
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol, final

from tintype.errors import TimedOut
from tintype.jobs.names import stem_of
from tintype.serving.front.admission import Queue
from tintype.serving.front.invocation import Answer, Arrival, Invocation
from tintype.serving.front.surroundings import Surroundings
from tintype.serving.model_definition import Kind, ModelDefinition, PreparedModel, prepare
from tintype.serving.settings import ServerSettings
from tintype.serving.watching.metrics import Metrics

DRAIN_POLL_SECONDS = 0.01


class Engine(Protocol):
    """One kind of model, running."""

    async def start(self, workers: int) -> None: ...

    async def invoke(self, invocation: Invocation) -> Answer: ...

    async def scale(self, workers: int) -> None: ...

    def stop(self) -> None: ...

    def facts(self) -> Mapping[str, Any]: ...


# Imported when the first of its kind is started: a front that serves archives of ours needs nothing of the other.
ENGINES: Mapping[Kind, str] = {
    Kind.OURS: "tintype.serving.workers.fast_path",
    Kind.SCRIPT: "tintype.serving.scripts.script_path",
}


def _engine(
    definition: ModelDefinition, prepared: PreparedModel, settings: ServerSettings, around: Surroundings
) -> Engine:
    return import_module(ENGINES[prepared.kind]).engine_of(definition, prepared, settings, around)


@final
class Replicas:
    """A model that answers. Made by `start`; one event loop uses it."""

    def __init__(
        self,
        definition: ModelDefinition,
        prepared: PreparedModel,
        engine: Engine,
        settings: ServerSettings,
        directory: Path,
        metrics: Metrics,
    ) -> None:
        self.definition = definition
        self.kind = prepared.kind
        self.ours = prepared.ours           # the unpacked archive, when it is one of ours
        self._engine = engine
        self._directory = directory
        self._metrics = metrics
        self._queue = Queue(settings.queue_capacity)

    @classmethod
    async def start(cls, definition: ModelDefinition, settings: ServerSettings, around: Surroundings) -> Replicas:
        """Prepare the model and start its processes; they have answered once when this returns.

        Raises `NotFound`, `BadArchive`, `InvalidRequest` for a model that cannot be served, `JobFailed` when its
        processes do not come up (a script's traceback is in the message), `StorageFailed`. Then nothing is left.
        """
        directory = Path(tempfile.mkdtemp(dir=around.scratch, prefix=f"{stem_of(definition.name, 40)}-"))
        engine: Engine | None = None
        try:
            prepared = await asyncio.to_thread(prepare, definition, directory / "ml")
            engine = _engine(definition, prepared, settings, around)
            await engine.start(definition.workers or settings.workers)
        except BaseException:
            if engine is not None:
                engine.stop()
            shutil.rmtree(directory, ignore_errors=True)
            raise
        replicas = cls(definition, prepared, engine, settings, directory, around.metrics)
        around.metrics.add(replicas)
        return replicas

    @property
    def inside(self) -> int:
        """Requests that are being answered or wait."""
        return self._queue.inside

    @property
    def is_alive(self) -> bool:
        """One of its workers lives. Decoders do not count: anybody's picture may bring one down, and they come again
        before anybody has asked twice."""
        return bool(self._engine.facts()["workers"])

    def check_room(self, arrival: Arrival) -> None:
        """`Busy` (429) when there is no place, or the answer would come too late."""
        self._queue.check(arrival.seconds, arrival.coming)

    async def invoke(self, invocation: Invocation) -> Answer:
        """The model's answer.

        Raises `Busy` (429) when the queue is full, or so long that the deadline would come first; `TimedOut` (504) when
        it comes first all the same; `InvalidRequest` and its kind for a body that is no picture; `JobFailed` when the
        processes die on it.
        """
        left = invocation.deadline - time.monotonic()
        with self._queue.admit(left):
            try:
                async with asyncio.timeout(left if left < 1e9 else None):
                    return await self._engine.invoke(invocation)
            except TimeoutError as error:
                raise TimedOut("the request was not answered before its deadline; send it again later") from error

    async def scale(self, workers: int) -> None:
        """Have that many workers; returns when new ones are ready. Those too many end after what they are at."""
        await self._engine.scale(workers)

    async def drain(self) -> None:
        """Wait until all that was asked is answered. Whoever asks more makes it wait longer."""
        while self._queue.inside:
            await asyncio.sleep(DRAIN_POLL_SECONDS)

    async def stop(self) -> None:
        """End all processes, those at work too, and remove the files."""
        self._metrics.remove(self)
        self._engine.stop()
        with contextlib.suppress(OSError):
            await asyncio.to_thread(shutil.rmtree, self._directory)

    def facts(self) -> dict[str, Any]:
        """What can be seen of it now, in plain values: the metrics and the pages show it."""
        return {"name": self.definition.name, "kind": self.kind, "inside": self.inside, **self._engine.facts()}
