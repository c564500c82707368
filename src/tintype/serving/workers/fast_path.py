"""Our own archive, answered: decoders, shared memory, a network's workers. No torch, and no pixel in the front."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any, final

import numpy as np

from tintype.cores import usable_cores
from tintype.errors import InvalidRequest
from tintype.serving.content.accept import AnswerFormat, negotiate
from tintype.serving.content.content_types import write_answer
from tintype.serving.content.fetching import Fetcher
from tintype.serving.content.predictions import Predictions
from tintype.serving.front.invocation import Answer, Classified, Invocation
from tintype.serving.front.surroundings import Surroundings
from tintype.serving.model_definition import ACCEPT_VARIABLE, ModelDefinition, PreparedModel
from tintype.serving.settings import ServerSettings
from tintype.serving.watching.metrics import Metrics
from tintype.serving.workers.batching import BatchLimits
from tintype.serving.workers.decoders import AHEAD, Decoded, DecoderLimits, Decoders
from tintype.serving.workers.networks import NetworkLimits, Networks
from tintype.serving.workers.nursery import Nursery
from tintype.serving.workers.picture_queue import Inferred
from tintype.serving.workers.slots import SlotShape

BYTES_PER_PIXEL = 16                    # while a picture is decoded: as stored, as RGB, scaled, upright
DECODER_BYTES = 256 * 1024**2           # besides
MANY_NUMBERS = 20_000                   # scores in an answer that are written in a thread


def engine_of(
    definition: ModelDefinition, prepared: PreparedModel, settings: ServerSettings, around: Surroundings
) -> FastPath:
    """The fast path for a model of ours."""
    if accept := definition.environment.get(ACCEPT_VARIABLE):
        settings = settings.model_copy(update={"default_accept": accept})
    return FastPath(definition.name, prepared, settings, around.nursery, around.metrics)


@final
class FastPath:
    """One model of ours and its processes. One event loop uses it."""

    def __init__(
        self, name: str, prepared: PreparedModel, settings: ServerSettings, nursery: Nursery, metrics: Metrics
    ) -> None:
        assert prepared.ours is not None  # noqa: S101 - said by its kind
        description = prepared.ours.description
        self._classes = description.classes
        self._settings = settings
        self._default_format = AnswerFormat.parse(settings.default_accept)
        self._fetcher = Fetcher.of(settings)
        most = settings.images_per_request
        shape = SlotShape(AHEAD * most + 2 * settings.batch_pictures, description.image_size)
        limits = DecoderLimits(
            DECODER_BYTES + BYTES_PER_PIXEL * settings.max_pixels, settings.decode_seconds, settings.max_pixels, most
        )
        count = settings.decoders or usable_cores()
        self.decoders = Decoders(nursery, description.preprocessing, shape, limits, count)
        self.networks = Networks(
            nursery,
            {
                "archive": str(prepared.model),
                "runtime": settings.runtime,
                "threads": settings.inference_threads,
                "slots": shape.count,
            },
            self.decoders.descriptors,
            (
                BatchLimits(settings.batch_pictures, settings.batch_wait_seconds),
                NetworkLimits(settings.inference_seconds, settings.worker_memory_bytes, settings.start_seconds),
            ),
            self.decoders.free,
            lambda: self.decoders.busy,
            metrics.batches_of(name),
        )

    async def start(self, workers: int) -> None:
        """Start decoders and workers. Raises `BadArchive` when the network cannot be loaded."""
        await asyncio.gather(self.decoders.start(), self.networks.scale(workers))

    async def scale(self, workers: int) -> None:
        """Have that many workers."""
        await self.networks.scale(workers)

    def stop(self) -> None:
        """End all processes."""
        self.networks.stop()
        self.decoders.stop()

    async def invoke(self, invocation: Invocation) -> Answer:
        """The pictures of a request, classified."""
        wanted = negotiate(invocation.accept, self._default_format)
        decoded = await self._decoded(invocation)
        inferred = await self.networks.infer(decoded.placed)
        return await self._answer(wanted, decoded, inferred)

    async def _decoded(self, invocation: Invocation) -> Decoded:
        decoded = await self.decoders.decode(invocation.content_type, invocation.body)
        if not decoded.urls:
            return decoded
        content_type, body = await self._fetcher.fetch(decoded.urls)
        fetched = await self.decoders.decode(content_type, body)
        return replace(fetched, waited=fetched.waited + decoded.waited)

    async def _answer(self, wanted: AnswerFormat, decoded: Decoded, inferred: Inferred) -> Answer:
        started = time.perf_counter()
        is_good = np.isfinite(inferred.logits)
        if not is_good.all():
            bad = int(is_good.all(axis=1).argmin())
            raise InvalidRequest(f"the network's answer for picture {bad} is not finite; send values it was trained on")
        predictions = Predictions(self._classes, inferred.logits)
        if inferred.logits.size > MANY_NUMBERS:
            content = await asyncio.to_thread(write_answer, predictions, wanted)
        else:
            content = write_answer(predictions, wanted)
        phases = {
            "queue": decoded.waited + inferred.waited,
            "decode": decoded.seconds,
            "inference": inferred.seconds,
            "encode": time.perf_counter() - started,
        }
        return Answer(200, content, wanted.media_type, phases, partial(_classified, predictions), decoded.brightness)

    def facts(self) -> Mapping[str, Any]:
        """What can be seen of it now. Seconds."""
        return {
            "runtime": self.networks.runtime,
            "precision": self.networks.precision,
            "why": self.networks.why,
            "workers": self.networks.pids,
            "decoders": self.decoders.pids,
            "decoding": self.decoders.busy,
            "waiting": self.networks.waiting,
            "at_work": self.networks.at_work,
            "oldest_waits": self.networks.oldest_waits,
            "worker_deaths": dict(self.networks.deaths),
            "decoder_deaths": dict(self.decoders.deaths),
        }


def _classified(predictions: Predictions) -> tuple[Classified, ...]:
    return tuple(Classified(one.index, one.label, one.probability) for one in predictions.best)
