"""The workers of one network, as the front sees them: pictures wait here, go out in batches, come back as logits.

A worker that dies or hangs loses its batch; each request of it is tried once more, in a batch of its own, so that one
that kills workers cannot take others with it twice. A worker that has grown over its limit is replaced by a new one
first.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, final

import numpy as np

from tintype import errors
from tintype.errors import BadArchive, JobFailed, TintypeError
from tintype.serving.batching import BatchLimits, Reason, reason_to_release
from tintype.serving.workers.channel import Lost
from tintype.serving.workers.decoders import Placed
from tintype.serving.workers.frames import Json
from tintype.serving.workers.nursery import Child, Nursery

MAX_DEATHS = 2                  # a request whose workers died so often is given up
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
@dataclass(frozen=True, eq=False)
class Inferred:
    """What the network said of the pictures of one request."""

    logits: np.ndarray          # float32 (n, classes)
    waited: float               # seconds until its last picture was in a batch that went out
    seconds: float              # that its batches took


@final
@dataclass(frozen=True)
class BatchNews:
    """One batch that went out, for the metrics."""

    reason: Reason
    pictures: int
    oldest_waited: float        # seconds


@final
@dataclass(eq=False)
class _Request:
    result: asyncio.Future[Inferred]
    rows: int
    arrived: float
    logits: np.ndarray | None = None
    missing: int = 0
    waited: float = 0.0
    seconds: float = 0.0
    deaths: int = 0


@final
@dataclass(frozen=True, eq=False)
class _Picture:
    request: _Request
    row: int
    placed: Placed


@final
@dataclass(eq=False)
class _Worker:
    child: Child
    is_leaving: bool = False
    batch: list[_Picture] = field(default_factory=list)
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
        self._batches, self._limits = limits
        self._free = free
        self._on_their_way = on_their_way
        self._on_batch = on_batch
        self._waiting: deque[_Picture] = deque()
        self._retries: deque[list[_Picture]] = deque()
        self._workers: list[_Worker] = []
        self._wanted = 0
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
        return len(self._waiting) + sum(map(len, self._retries))

    @property
    def at_work(self) -> int:
        """Pictures in batches that are with a worker."""
        return sum(len(one.batch) for one in self._workers)

    @property
    def oldest_waits(self) -> float:
        """Seconds that the first of the waiting pictures has waited for."""
        return time.perf_counter() - self._waiting[0].request.arrived if self._waiting else 0.0

    async def scale(self, count: int) -> None:
        """Have `count` workers. Returns when new ones are ready; those too many end after what they are at.

        Raises `BadArchive` and its kind when a worker does not come up because of the model.
        """
        self._wanted = count
        present = [one for one in self._workers if not one.is_leaving]
        for worker in present[count:]:
            self._retire(worker)
        await asyncio.gather(*(self._start_one() for _ in range(count - len(present))))

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
        future: asyncio.Future[Inferred] = asyncio.get_running_loop().create_future()
        request = _Request(future, len(placed), time.perf_counter(), missing=len(placed))
        self._waiting.extend(_Picture(request, row, one) for row, one in enumerate(placed))
        self.pump()
        return await future

    def pump(self) -> None:
        """Give waiting pictures to idle workers, as far as `batching` says so. Called whenever something changes."""
        for worker in self._workers:
            if not worker.is_idle or worker.is_leaving:
                continue
            batch, reason = self._next_batch()
            if not batch:
                return
            self._send(worker, batch, reason)

    def _next_batch(self) -> tuple[list[_Picture], Reason]:
        while self._retries:
            batch = [one for one in self._retries.popleft() if not self._is_dropped(one)]
            if batch:
                return batch, Reason.RETRY
        while self._waiting and self._is_dropped(self._waiting[0]):
            self._waiting.popleft()
        if not self._waiting:
            return [], Reason.ALL_HERE
        waited = self.oldest_waits
        reason = reason_to_release(self._batches, len(self._waiting), waited, self._on_their_way())
        if reason is None:
            self._come_again(self._batches.wait_seconds - waited)
            return [], Reason.WAITED
        batch: list[_Picture] = []
        while self._waiting and len(batch) < self._batches.pictures:
            picture = self._waiting.popleft()
            if not self._is_dropped(picture):
                batch.append(picture)
        return batch, reason

    def _is_dropped(self, picture: _Picture) -> bool:
        """Nobody waits for it any more: its slot is given back."""
        if not picture.request.result.done():
            return False
        self._free(picture.placed)
        return True

    def _come_again(self, seconds: float) -> None:
        if self._timer is None:
            def ring() -> None:
                self._timer = None
                self.pump()

            self._timer = asyncio.get_running_loop().call_later(seconds, ring)

    def _send(self, worker: _Worker, batch: list[_Picture], reason: Reason) -> None:
        now = time.perf_counter()
        for picture in batch:
            picture.request.waited = now - picture.request.arrived
        self._on_batch(BatchNews(reason, len(batch), now - batch[0].request.arrived))
        worker.batch = batch
        items = [(one.placed.region, one.placed.slot, one.placed.fill) for one in batch]
        answer = worker.child.channel.ask({"items": items})
        answer.add_done_callback(lambda done: self._answered(worker, done))
        worker.timer = asyncio.get_running_loop().call_later(self._limits.seconds, self._hung, worker)

    def _hung(self, worker: _Worker) -> None:
        log.error("worker %d did not answer within %g s; it is replaced", worker.child.pid, self._limits.seconds)
        self.deaths["timeout"] += 1
        worker.child.kill()

    def _answered(self, worker: _Worker, answer: asyncio.Future[tuple[Json, bytes]]) -> None:
        batch, worker.batch = worker.batch, []
        if worker.timer is not None:
            worker.timer.cancel()
        if answer.exception() is not None:
            self._lost(batch)
            return
        header, body = answer.result()
        logits = np.frombuffer(body, np.float32).reshape(len(batch), -1)
        for picture, row in zip(batch, logits, strict=True):
            self._free(picture.placed)
            _note(picture, row, header["seconds"])
        if worker.is_leaving:
            worker.child.dismiss()
        elif 0 < self._limits.memory_bytes < header["memory"]:
            self._outgrown(worker, header["memory"])
        self.pump()

    def _lost(self, batch: list[_Picture]) -> None:
        """The worker is gone: each request is tried once more, alone."""
        for request, pictures in itertools.groupby(batch, key=lambda one: one.request):
            again = list(pictures)
            request.deaths += 1
            if request.deaths >= MAX_DEATHS or request.result.done():
                for picture in again:
                    self._free(picture.placed)
                if not request.result.done():
                    died = "the workers that ran the network on this request died; the log says how"
                    request.result.set_exception(JobFailed(died))
            else:
                self._retries.append(again)
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
        worker = _Worker(child)
        self._workers.append(worker)
        child.channel.closed.add_done_callback(lambda _: self._died(worker))
        self.pump()

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
                await asyncio.sleep(pause)
                pause = min(2 * pause, LONGEST_PAUSE)

    def _spawn(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _note(picture: _Picture, row: np.ndarray, seconds: float) -> None:
    """Write one picture's logits down; the last one of a request completes it."""
    request = picture.request
    if request.logits is None:
        request.logits = np.empty((request.rows, len(row)), np.float32)
    request.logits[picture.row] = row
    request.missing -= 1
    if picture.row == 0 or request.missing == 0 or request.rows == 1:
        request.seconds = max(request.seconds, seconds)
    if request.missing == 0 and not request.result.done():
        request.result.set_result(Inferred(request.logits, request.waited, request.seconds))


def error_named(name: str) -> type[TintypeError]:
    """The class of the error tree that a process named; `BadArchive` for any other."""
    kind = getattr(errors, name, None)
    return kind if isinstance(kind, type) and issubclass(kind, TintypeError) and kind is not JobFailed else BadArchive
