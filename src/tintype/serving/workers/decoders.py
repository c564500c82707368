"""The decoders of one model, as the front sees them: whichever is free takes the next body.

A decoder that dies costs at most the request it was working on: that one is tried once more, as the decoder may have
been killed by somebody else, and is refused when the second one dies too. What takes too long is killed and refused at
once. What was sent to the dead one besides had not been looked at and goes to another. Its region stays, with the
pictures that still wait in it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import time
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any, NamedTuple, final

from tintype.errors import BadImage, InvalidRequest, JobFailed, TintypeError, TooLarge, Unsupported
from tintype.serving.workers import slots
from tintype.serving.workers.channel import Answer, Lost
from tintype.serving.workers.frames import Json
from tintype.serving.workers.nursery import Child, Nursery
from tintype.serving.workers.slots import Fill, SlotShape

AHEAD = 2                       # jobs that a decoder has at once: it never waits for the front between two
ALLOWANCE_SECONDS = 0.5         # beyond the computing time, for a machine that is busy with others
SLOWER_MACHINE = 2              # seconds on the clock for one of computing, when others compute too
MAX_DEATHS = 2                  # a picture whose decoders died so often is refused
MOURNING_SECONDS = 1.0          # for the news of how it died
RESTART_SECONDS = 0.2           # pause after a decoder that did not even start

log = logging.getLogger("tintype.serving")
REFUSALS: Mapping[str, type[TintypeError]] = {
    kind.__name__: kind for kind in (BadImage, InvalidRequest, TooLarge, Unsupported)
}


@final
@dataclass(frozen=True)
class DecoderLimits:
    """What one decoder may take."""

    memory_bytes: int
    seconds: float                  # of computing, for one request
    max_pixels: int
    images_per_request: int


@final
class Placed(NamedTuple):
    """Where a decoded picture is; workers are told in this order."""

    region: int
    slot: int
    fill: Fill


@final
@dataclass(frozen=True)
class Decoded:
    """What came of a body: pictures in slots, or URLs that have to be fetched first."""

    placed: tuple[Placed, ...] = ()
    brightness: tuple[float, ...] = ()
    seconds: float = 0.0            # of decoding
    waited: float = 0.0             # seconds before a decoder took it
    urls: tuple[str, ...] = ()


@final
@dataclass(eq=False)
class _Job:
    """A body on its way to being decoded."""

    content_type: str | None
    body: bytes
    result: asyncio.Future[Decoded]
    asked: float = field(default_factory=time.perf_counter)
    waited: float = 0.0
    deaths: int = 0                             # of decoders that had it


@final
class _Region:
    """One decoder's memory, and the process that fills it at the moment."""

    def __init__(self, number: int, shape: SlotShape) -> None:
        self.number = number
        self.descriptor = slots.create(shape)
        self.child: Child | None = None
        self.jobs: deque[_Job] = deque()        # the first is being worked on
        self.used: set[int] = set()             # slots with a picture that is still needed
        self.freed: list[int] = []              # slots that the decoder has not been told of yet
        self.timer: asyncio.TimerHandle | None = None
        self.was_killed = False                 # by us, as it took too long


@final
class Decoders:
    """A fixed number of decoders for one preprocessing. One event loop uses it."""

    def __init__(
        self,
        nursery: Nursery,
        preprocessing: Mapping[str, Any],
        shape: SlotShape,
        limits: DecoderLimits,
        count: int,
    ) -> None:
        self._nursery = nursery
        self._preprocessing = dict(preprocessing)
        self._shape = shape
        self._limits = limits
        self._regions = [_Region(number, shape) for number in range(count)]
        self._jobs: deque[_Job] = deque()       # that no decoder has yet
        self._tasks: set[asyncio.Task[None]] = set()
        self._stopping = False
        self.deaths: Counter[str] = Counter()   # "crash", "timeout", "memory"

    @property
    def descriptors(self) -> list[int]:
        """The regions, for those who read the pictures."""
        return [region.descriptor for region in self._regions]

    @property
    def pids(self) -> list[int]:
        """The decoders that there are at the moment."""
        return [one.child.pid for one in self._regions if one.child is not None and one.child.is_alive]

    @property
    def busy(self) -> int:
        """Bodies that are being decoded or wait for it."""
        return len(self._jobs) + sum(len(region.jobs) for region in self._regions)

    async def start(self) -> None:
        """Start all of them."""
        await asyncio.gather(*map(self._start_one, self._regions))

    def stop(self) -> None:
        """End all of them, and give their memory back."""
        self._stopping = True
        for task in self._tasks:
            task.cancel()
        for region in self._regions:
            if region.child is not None:
                region.child.kill()
            slots.release(region.descriptor)

    async def decode(self, content_type: str | None, body: bytes) -> Decoded:
        """The pictures of a body. Whoever gets them gives each back with `free`.

        Raises `InvalidRequest` and its kind for a body that holds no pictures, `BadImage` also for one that killed its
        decoders, `JobFailed` for a bug.
        """
        job = _Job(content_type, body, asyncio.get_running_loop().create_future())
        self._jobs.append(job)
        self._dispatch()
        try:
            return await job.result
        except asyncio.CancelledError:
            if not job.result.cancelled() and job.result.exception() is None:       # nobody wants what has just come
                for placed in job.result.result().placed:
                    self.free(placed)
            raise

    def free(self, placed: Placed) -> None:
        """The picture is not needed any more."""
        region = self._regions[placed.region]
        region.used.discard(placed.slot)
        region.freed.append(placed.slot)
        if self._jobs:
            self._dispatch()

    def _dispatch(self) -> None:
        while self._jobs:
            if self._jobs[0].result.done():             # whoever asked has gone
                self._jobs.popleft()
                continue
            able = [one for one in self._regions if self._is_able(one)]
            if not able:
                return
            self._send(min(able, key=lambda one: len(one.jobs)), self._jobs.popleft())

    def _is_able(self, region: _Region) -> bool:
        jobs, child = len(region.jobs), region.child
        if jobs >= AHEAD or child is None or not child.is_alive:
            return False
        return self._shape.count - len(region.used) >= (jobs + 1) * self._limits.images_per_request

    def _send(self, region: _Region, job: _Job) -> None:
        assert region.child is not None  # noqa: S101 - said by `_is_able`
        job.waited = time.perf_counter() - job.asked
        region.jobs.append(job)
        freed, region.freed = region.freed, []
        header = {"type": job.content_type, "free": freed}
        region.child.channel.ask_then(header, job.body, partial(self._answered, region, job))
        if len(region.jobs) == 1:
            self._watch(region)

    def _watch(self, region: _Region) -> None:
        """Kill the decoder if it does not come to an end with what it is working on now."""
        if region.timer is not None:
            region.timer.cancel()
        region.timer = None
        if region.jobs:
            seconds = self._limits.seconds * SLOWER_MACHINE + ALLOWANCE_SECONDS
            region.timer = asyncio.get_running_loop().call_later(seconds, self._kill, region)

    def _kill(self, region: _Region) -> None:
        if region.child is not None:
            region.was_killed = True
            region.child.kill()

    def _answered(self, region: _Region, job: _Job, answer: Answer | Lost) -> None:
        if isinstance(answer, Lost):
            return                      # `_died` has seen to it
        region.jobs.remove(job)
        self._watch(region)
        try:
            decoded = self._read(region, answer[0], job.waited)
        except TintypeError as error:
            if not job.result.done():
                job.result.set_exception(error)
        else:
            if job.result.done():
                for placed in decoded.placed:
                    self.free(placed)
            else:
                job.result.set_result(decoded)
        self._dispatch()

    async def _mourn(self, region: _Region, child: Child, jobs: list[_Job]) -> None:
        """Decide what becomes of the jobs of a decoder that has died. It was working on the first of them."""
        was_slow = region.was_killed
        child.bury()                    # it may only have hung up
        with contextlib.suppress(TimeoutError):
            was_slow |= await asyncio.wait_for(asyncio.shield(child.ended), MOURNING_SECONDS) == -signal.SIGXCPU
        self.deaths["timeout" if was_slow else "crash"] += 1
        self._jobs.extendleft(reversed(jobs[1:]))
        for job in jobs[:1]:
            job.deaths += 1
            if job.result.done():
                continue
            if was_slow:
                slow = f"the picture takes more than {self._limits.seconds:g} s to decode; make it smaller"
                job.result.set_exception(BadImage(slow))
            elif job.deaths < MAX_DEATHS:
                self._jobs.appendleft(job)
            else:
                job.result.set_exception(BadImage("damaged: the picture brings its decoder down; save it again"))
        await self._restart(region)

    def _read(self, region: _Region, answer: Json, waited: float) -> Decoded:
        if answer.get("spent"):
            self.deaths["memory"] += 1
        if "error" in answer:
            raise REFUSALS.get(answer["error"], JobFailed)(answer["message"])
        if "urls" in answer:
            return Decoded(urls=tuple(answer["urls"]), waited=waited)
        placed = tuple(Placed(region.number, int(slot), Fill(fill)) for slot, fill in answer["slots"])
        numbers = {one.slot for one in placed}
        in_range = all(0 <= one < self._shape.count for one in numbers)
        if not placed or not in_range or len(numbers) < len(placed) or numbers & region.used:
            self._kill(region)          # it has lost its mind, or it is not ours any more
            raise BadImage("damaged: the picture confuses its decoder; save it again")
        region.used |= numbers
        return Decoded(placed, tuple(map(float, answer["brightness"])), float(answer["seconds"]), waited)

    async def _start_one(self, region: _Region) -> None:
        options = {
            "preprocessing": self._preprocessing,
            "slots": self._shape.count,
            "busy": sorted(region.used),
            **asdict(self._limits),
        }
        region.freed, region.was_killed = [], False
        child = await self._nursery.start("decoder", options, [region.descriptor])
        region.child = child
        child.channel.closed.add_done_callback(lambda _: self._died(region, child))
        self._dispatch()

    def _died(self, region: _Region, child: Child) -> None:
        if region.timer is not None:
            region.timer.cancel()
        jobs, region.jobs = list(region.jobs), deque()
        if not self._stopping:
            task = asyncio.get_running_loop().create_task(self._mourn(region, child, jobs))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _restart(self, region: _Region) -> None:
        while not self._stopping:
            try:
                await self._start_one(region)
                return
            except JobFailed as error:
                log.error("no decoder could be started: %s", error)
                await asyncio.sleep(RESTART_SECONDS)
