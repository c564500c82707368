"""One worker of a network: pictures in the decoders' slots come in, logits go back.

    first                                   ->  {"ready": {"runtime", ...}} or {"error": ..., "message": ...}
    {"items": [[region, slot, fill], ...]}  ->  {"rows": n, "seconds": s, "memory": bytes} + float32 (n, classes)

`memory` is what it had after the batch before.

Started by the nursery, and only there: importing it loads ONNX Runtime, and running it torch for archives without ONNX.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import final

import numpy as np

from tintype.errors import TintypeError
from tintype.models.archive import DESCRIPTION, Archive, Description
from tintype.serving.runtimes.predictor import Predictor
from tintype.serving.workers.confinement import resident_bytes
from tintype.serving.workers.frames import Json, Link
from tintype.serving.workers.slots import Fill, Slots, SlotShape


def run(link: Link, options: Json, descriptors: Sequence[int]) -> None:
    """Load the archive, say that it is ready, and answer until the front hangs up."""
    try:
        predictor = Predictor.of(
            checked_before(Path(options["archive"])), runtime=options["runtime"], threads=options["threads"]
        )
    except TintypeError as error:
        link.send({"error": type(error).__name__, "message": str(error)})
        return
    if predictor.callers_core:
        with contextlib.suppress(OSError):      # a sandbox that lets nobody: slower at times
            os.sched_setaffinity(0, predictor.callers_core)
    shape = SlotShape(options["slots"], predictor.input_shape[1])
    worker = Network(predictor, [Slots(one, shape, writable=False) for one in descriptors])
    choice, memory = predictor.choice, resident_bytes()
    ready = {"runtime": predictor.runtime_name, "precision": choice.precision, "why": choice.reason, "memory": memory}
    link.send({"ready": ready})
    while (batch := link.receive()) is not None:
        started = time.perf_counter()
        logits = worker.logits(batch[0]["items"])
        seconds = time.perf_counter() - started
        link.send({"rows": len(logits), "seconds": seconds, "memory": memory}, logits.data.cast("B"))
        memory = resident_bytes()           # told with the next batch: nobody waits for it now


@final
class Network:
    """Slots to logits."""

    def __init__(self, predictor: Predictor, regions: Sequence[Slots]) -> None:
        self._predictor = predictor
        self._regions = regions
        self._input = predictor.input
        self._batch = self._input.empty(0)

    def logits(self, items: Sequence[tuple[int, int, str]]) -> np.ndarray:
        """float32 (n, classes), contiguous; not finite where an odd tensor made the network overflow."""
        if len(self._batch) < len(items):
            self._batch = self._input.empty(len(items))
        batch = self._batch[: len(items)]
        for row, (region, slot, fill) in zip(batch, items, strict=True):
            if fill == Fill.TENSOR:
                self._input.put_tensor(row, self._regions[region].tensor(slot))
            else:
                self._input.put_pixels(row, self._regions[region].pixels(slot))
        return np.ascontiguousarray(self._predictor.logits(batch), np.float32)


def checked_before(directory: Path) -> Archive:
    """The archive in a folder whose files the front has compared with their hashes."""
    return Archive(directory, Description.from_json((directory / DESCRIPTION).read_bytes()))
