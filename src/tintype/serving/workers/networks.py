"""The workers of one network, as the front sees them: pictures wait here, go out in batches, come back as logits.

A worker that dies or hangs loses its batch; each request of it is tried once more, in a batch of its own, so that one
that kills workers cannot take others with it twice. A worker that has grown over its limit is replaced by a new one
first.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, final

import numpy as np

from tintype import errors
from tintype.errors import BadArchive, JobFailed, TintypeError
from tintype.models.archive import DESCRIPTION
from tintype.serving.workers.batching import BatchLimits, Reason
from tintype.serving.workers.channel import Answer, Lost
from tintype.serving.workers.decoders import Placed
from tintype.serving.workers.frames import Json
from tintype.serving.workers.lost_files import end_front_if_gone
from tintype.serving.workers.nursery import Child, Nursery
from tintype.serving.workers.picture_queue import Inferred, Picture, PictureQueue, Release

FIRST_PAUSE, LONGEST_PAUSE = 0.1, 10.0      # seconds before a worker is started again that did not come up

log = logging.getLogger("tintype.serving")


@final
@dataclass(frozen=True)
class NetworkLimits:
    """What one worker may take: seconds for a batch, bytes of memory (0: any)."""

    seconds: float
    memory_bytes: int
    start_seconds: float


@final
@dataclass(frozen=True)
class BatchNews:
    """One batch that went out, for the metrics."""

    reason: Reason
    pictures: int
    oldest_waited: float        # seconds


@final
@dataclass(eq=False)
class _Worker:
    child: Child
    is_leaving: bool = False
    batch: list[Picture] = field(default_factory=list)
    timer: asyncio.TimerHandle | None = None

    @property
    def is_idle(self) -> bool:
        return not self.batch and self.child.is_alive


@final
class Networks:
    """The pictures that wait for a network, and the processes that run it. One event loop uses it."""

    def __init__(
        self,
        nursery: Nursery,
        options: Json,
        regions: Sequence[int],
        limits: tuple[BatchLimits, NetworkLimits],
        free: Callable[[Placed], None],
        on_their_way: Callable[[], int],
        on_batch: Callable[[BatchNews], None],
    ) -> None:
        """`options` and `regions` are the workers'; `free` gives a picture's slot back; `on_their_way` counts the
        requests that are being decoded; `on_batch` hears of each batch."""
        self._nursery = nursery
        self._options = options
        self._regions = regions
        self._queue, self._limits = PictureQueue(limits[0], free), limits[1]
        self._free = free
        self._on_their_way = on_their_way
        self._on_batch = on_batch
        self._workers: list[_Worker] = []
        self._wanted = 0
        self._starting = 0
        self._stopping = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self.deaths: Counter[str] = Counter()       # "crash", "timeout"; "memory": was replaced
        self.runtime = self.precision = self.why = ""

    @property
    def pids(self) -> list[int]:
        """The workers that there are at the moment."""
        return [one.child.pid for one in self._workers if one.child.is_alive]

    @property
    def waiting(self) -> int:
        """Pictures that wait for a batch."""
        return len(self._queue)

    @property
    def at_work(self) -> int:
        """Pictures in batches that are with a worker."""
        return sum(len(one.batch) for one in self._workers)

    @property
    def oldest_waits(self) -> float:
        """Seconds that the first of the waiting pictures has waited for."""
        return self._queue.oldest_waits

    async def scale(self, count: int) -> None:
        """Have `count` workers. Returns when new ones are ready; those too many end after what they are at.

        Raises `BadArchive` and its kind when a worker does not come up because of the model.
        """
        self._wanted = count
        present = [one for one in self._workers if not one.is_leaving]
        for worker in present[count:]:
            self._retire(worker)
        await asyncio.gather(*(self._start_one() for _ in range(count - len(present) - self._starting)))

    def stop(self) -> None:
        """End all workers now."""
        self._stopping = True
        for task in self._tasks:
            task.cancel()
        for worker in self._workers:
            worker.child.kill()

    async def infer(self, placed: Sequence[Placed]) -> Inferred:
        """The logits of some pictures, which are given back in any case.

        Raises `JobFailed` when the workers die on them.
        """
        request = self._queue.add(placed)
        self.pump()
        return await request.result

    def pump(self) -> None:
        """Give waiting pictures to idle workers, as far as `batching` says so. Called whenever something changes."""
        for worker in self._workers:
            if not self._queue:
                return
            if not worker.is_idle or worker.is_leaving:
                continue
            release = self._queue.next_batch(self._on_their_way())
            if not isinstance(release, Release):
                self._come_again(release)
                return
            self._send(worker, release)

    def _come_again(self, seconds: float) -> None:
        if self._timer is None and math.isfinite(seconds):
            self._timer = asyncio.get_running_loop().call_later(seconds, self._ring)

    def _ring(self) -> None:
        self._timer = None
        self.pump()

    def _send(self, worker: _Worker, release: Release) -> None:
        now, batch = time.perf_counter(), release.pictures
        for picture in batch:
            picture.request.waited = now - picture.request.arrived
        worker.batch = batch
        items = {"items": [one.placed for one in batch]}
        worker.child.channel.ask_then(items, b"", partial(self._answered, worker))
        worker.timer = asyncio.get_running_loop().call_later(self._limits.seconds, self._hung, worker)
        self._on_batch(BatchNews(release.reason, len(batch), now - batch[0].request.arrived))   # the worker is at it

    def _hung(self, worker: _Worker) -> None:
        log.error("worker %d did not answer within %g s; it is replaced", worker.child.pid, self._limits.seconds)
        self.deaths["timeout"] += 1
        worker.child.kill()

    def _answered(self, worker: _Worker, answer: Answer | Lost) -> None:
        batch, worker.batch = worker.batch, []
        if worker.timer is not None:
            worker.timer.cancel()
        if isinstance(answer, Lost):
            self._queue.put_back(batch)
            self.pump()
            return
        header, body = answer
        logits = np.frombuffer(body, np.float32).reshape(len(batch), -1)
        for picture, row in zip(batch, logits, strict=True):
            self._free(picture.placed)
            picture.request.note(picture.row, row, header["seconds"])
        if worker.is_leaving:
            worker.child.dismiss()
        elif 0 < self._limits.memory_bytes < header["memory"]:
            self._outgrown(worker, header["memory"])
        self.pump()

    def _outgrown(self, worker: _Worker, memory: int) -> None:
        log.warning("worker %d has %d MiB of memory; it is replaced", worker.child.pid, memory >> 20)
        self.deaths["memory"] += 1
        worker.is_leaving = True        # takes nothing any more; ends when the new one is there

        async def replace() -> None:
            await self._restart()
            self._retire(worker)

        self._spawn(replace())

    def _retire(self, worker: _Worker) -> None:
        worker.is_leaving = True
        if worker.is_idle:
            worker.child.dismiss()

    async def _start_one(self) -> None:
        self._starting += 1
        try:
            worker = await self._started()
        finally:
            self._starting -= 1
        self._workers.append(worker)
        worker.child.channel.closed.add_done_callback(lambda _: self._died(worker))
        if len([one for one in self._workers if not one.is_leaving]) > self._wanted:     # fewer are wanted by now
            self._retire(worker)
        self.pump()

    async def _started(self) -> _Worker:
        child = await self._nursery.start("network", self._options, self._regions)
        try:
            header, _ = await asyncio.wait_for(child.channel.expect(), self._limits.start_seconds)
        except Lost as error:
            raise JobFailed("a worker ended before it was ready; the log says why") from error
        except TimeoutError as error:
            child.kill()
            raise JobFailed(f"a worker was not ready after {self._limits.start_seconds:g} s") from error
        except asyncio.CancelledError:
            child.kill()
            raise
        if "error" in header:
            child.dismiss()
            raise error_named(header["error"])(header["message"])
        self.runtime, self.precision, self.why = (header["ready"][one] for one in ("runtime", "precision", "why"))
        return _Worker(child)

    def _died(self, worker: _Worker) -> None:
        self._workers.remove(worker)
        worker.child.bury()
        if self._stopping or worker.is_leaving:
            return
        self.deaths["crash"] += 1
        self._spawn(self._restart())

    async def _restart(self) -> None:
        pause = FIRST_PAUSE
        while not self._stopping and len([one for one in self._workers if not one.is_leaving]) < self._wanted:
            try:
                await self._start_one()
                return
            except TintypeError as error:
                log.error("a worker could not be started: %s", error)
                end_front_if_gone(Path(self._options["archive"], DESCRIPTION))
                await asyncio.sleep(pause)
                pause = min(2 * pause, LONGEST_PAUSE)

    def _spawn(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def error_named(name: str) -> type[TintypeError]:
    """The class of the error tree that a process named; `BadArchive` for any other."""
    kind = getattr(errors, name, None)
    return kind if isinstance(kind, type) and issubclass(kind, TintypeError) and kind is not JobFailed else BadArchive
