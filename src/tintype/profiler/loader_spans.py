"""Spans of a loader's worker processes: how long each batch took to fetch, how much of it was work and decoding.

Workers are forked from the training, so that what is put in place here is in place there. Each writes a file of its
own, from its own thread, as a worker must not start others; what it has at the end is written when it leaves.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from multiprocessing import util
from typing import Any, final

from PIL import ImageFile
from torch.utils.data import get_worker_info
from torch.utils.data._utils import fetch

from tintype.profiler.phases import Outside
from tintype.profiler.span_files import DECODING, Span
from tintype.profiler.span_writer import SpanWriter

FLUSH_SPANS = 20
CPU = "cpu_us"


@final
class WorkerSpans:
    """The spans of one worker process."""

    def __init__(self, parent: SpanWriter) -> None:
        rank_and_host = parent.node
        node = f"{rank_and_host}-loader{os.getpid()}"
        self._writer = SpanWriter(parent.root, node, time.time, time.perf_counter_ns, threaded=False)
        self._pending = 0
        self.decoding = 0
        util.Finalize(None, self._writer.close, exitpriority=10)
        self._load = ImageFile.ImageFile.load
        ImageFile.ImageFile.load = self._timed_load(self._load)     # this process ends with its loader

    def _timed_load(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def timed(image: Any) -> Any:
            start = time.perf_counter_ns()
            found = original(image)
            self.decoding += time.perf_counter_ns() - start
            return found

        return timed

    def add(self, start: int, end: int, cpu: int, worker: int) -> None:
        """One batch; nanoseconds."""
        args = (("worker_id", worker), (CPU, cpu // 1000), (DECODING, self.decoding // 1000))
        self._writer.add(Span(Outside.LOADER_WORKER, Outside.LOADER_WORKER, start, end, args))
        self.decoding, self._pending = 0, self._pending + 1
        if self._pending >= FLUSH_SPANS:
            self._writer.flush()
            self._pending = 0


def watch_workers(parent: SpanWriter) -> Callable[[], None]:
    """Watch the workers that will be forked from this process; returns what undoes it."""
    mine: dict[int, WorkerSpans] = {}
    originals = {one: one.fetch for one in (fetch._MapDatasetFetcher, fetch._IterableDatasetFetcher)}

    def watched(original: Callable[..., Any]) -> Callable[..., Any]:
        def timed(fetcher: Any, indices: Any) -> Any:
            worker = get_worker_info()
            if worker is None:
                return original(fetcher, indices)
            spans = mine.get(os.getpid())
            if spans is None:
                spans = mine[os.getpid()] = WorkerSpans(parent)
            start, cpu = time.perf_counter_ns(), time.thread_time_ns()
            found = original(fetcher, indices)
            spans.add(start, time.perf_counter_ns(), time.thread_time_ns() - cpu, worker.id)
            return found

        return timed

    def undo() -> None:
        for fetcher, original in originals.items():
            setattr(fetcher, "fetch", original)  # noqa: B010

    for fetcher, original in originals.items():
        setattr(fetcher, "fetch", watched(original))  # noqa: B010
    return undo
