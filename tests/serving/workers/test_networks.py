"""A network's workers: batches, deaths, hangs, growth. Workers are played by the test, one socket each."""

from __future__ import annotations

import asyncio
import socket
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, final

import numpy as np
import pytest

from tests.serving.running_server import PATIENCE_SECONDS
from tintype.errors import BadArchive, JobFailed
from tintype.serving.workers.batching import BatchLimits, Reason
from tintype.serving.workers.channel import Channel
from tintype.serving.workers.decoders import Placed
from tintype.serving.workers.frames import LENGTHS, lengths, packed, parsed
from tintype.serving.workers.networks import BatchNews, NetworkLimits, Networks
from tintype.serving.workers.nursery import Child
from tintype.serving.workers.slots import Fill

CLASSES = 3
READY = {"ready": {"runtime": "played", "precision": "fp32", "why": "", "memory": 1}}


@final
@dataclass
class PlayedNursery:
    """Workers whose logits are (slot, row in the batch, worker), or that do what `act` says."""

    act: Callable[[int, list[list[Any]]], str] = lambda worker, items: "answer"     # or "die", "hang"
    greeting: dict[str, Any] = field(default_factory=lambda: READY)
    memory: int = 1
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    door: asyncio.Event | None = None           # what new workers wait for before they are ready
    started: int = 0
    batches: list[list[int]] = field(default_factory=list)
    sockets: list[socket.socket] = field(default_factory=list)
    tasks: list[asyncio.Task[None]] = field(default_factory=list)

    async def start(self, kind: str, options: object, descriptors: object) -> Child:
        ours, theirs = socket.socketpair()
        ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self.started += 1
        self.tasks.append(asyncio.create_task(self._play(self.started, theirs)))
        return Child(self, self.started, await Channel.over(ours), ended)       # pyright: ignore

    async def _play(self, number: int, theirs: socket.socket) -> None:
        reader, writer = await asyncio.open_unix_connection(sock=theirs)
        if self.door:
            await self.door.wait()
        writer.write(packed(self.greeting, 0))
        try:
            while True:
                header_bytes, _ = lengths(await reader.readexactly(LENGTHS.size))
                items = parsed(await reader.readexactly(header_bytes))["items"]
                self.batches.append([slot for _, slot, _ in items])
                await self.gate.wait()
                match self.act(number, items):
                    case "die":
                        return
                    case "hang":
                        await reader.read()
                        return
                logits = np.array([[slot, row, number] for row, (_, slot, _) in enumerate(items)], np.float32)
                header = {"rows": len(items), "seconds": 0.5, "memory": self.memory}
                writer.write(packed(header, logits.nbytes) + logits.tobytes())
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    def bury(self, pid: int) -> None:
        pass

    kill = bury


@final
class Bench:
    """Networks over played workers, and all that they tell."""

    def __init__(self, nursery: PlayedNursery, batch: BatchLimits, limits: NetworkLimits) -> None:
        self.nursery = nursery
        self.freed: Counter[int] = Counter()
        self.news: list[BatchNews] = []
        self.on_their_way = 0
        self.networks = Networks(
            nursery, {}, [], (batch, limits), lambda one: self.freed.update([one.slot]),        # pyright: ignore
            lambda: self.on_their_way, self.news.append,
        )  # fmt: skip


LIMITS = NetworkLimits(seconds=60, memory_bytes=0, start_seconds=60)


def played(
    story: Callable[[Bench], Awaitable[None]],
    *,
    workers: int = 1,
    batch: BatchLimits | None = None,
    limits: NetworkLimits = LIMITS,
    **nursery: Any,
) -> Bench:
    async def run() -> Bench:
        bench = Bench(PlayedNursery(**nursery), batch or BatchLimits(4, 0.01), limits)
        try:
            await bench.networks.scale(workers)
            await asyncio.wait_for(story(bench), PATIENCE_SECONDS)
        finally:
            bench.networks.stop()
            await asyncio.sleep(0.02)
            for task in bench.nursery.tasks:
                task.cancel()
            await asyncio.gather(*bench.nursery.tasks, return_exceptions=True)
        return bench

    return asyncio.run(run())


def slots(*numbers: int) -> Sequence[Placed]:
    return [Placed(0, number, Fill.PIXELS) for number in numbers]


def test_pictures_gather_while_the_worker_is_busy_and_no_batch_is_over_the_limit() -> None:
    async def story(bench: Bench) -> None:
        first = asyncio.create_task(bench.networks.infer(slots(100)))
        await asyncio.sleep(0.01)
        rest = [asyncio.create_task(bench.networks.infer(slots(n))) for n in range(9)]
        await asyncio.sleep(0.01)
        assert bench.networks.waiting == 9
        assert bench.networks.oldest_waits > 0
        bench.nursery.gate.set()
        assert (await first).logits.tolist() == [[100, 0, 1]]
        for number, one in enumerate(rest):
            inferred = await one
            assert inferred.logits[0, 0] == number
            assert inferred.seconds == 0.5

    bench = played(story)
    assert bench.nursery.batches == [[100], [0, 1, 2, 3], [4, 5, 6, 7], [8]]
    assert [(one.reason, one.pictures) for one in bench.news] == [
        (Reason.ALL_HERE, 1), (Reason.FULL, 4), (Reason.FULL, 4), (Reason.ALL_HERE, 1),
    ]  # fmt: skip
    assert bench.news[1].oldest_waited > 0.005
    assert bench.freed == Counter([100, *range(9)])


def test_it_waits_for_what_is_being_decoded_but_not_for_long() -> None:
    async def story(bench: Bench) -> None:
        bench.nursery.gate.set()
        bench.on_their_way = 1
        await bench.networks.infer(slots(1))
        assert bench.news[0].reason is Reason.WAITED
        assert bench.news[0].oldest_waited >= 0.05

    played(story, batch=BatchLimits(4, 0.05))


def test_a_large_request_is_cut_into_batches_and_put_together() -> None:
    async def story(bench: Bench) -> None:
        bench.nursery.gate.set()
        inferred = await bench.networks.infer(slots(*range(10)))
        assert inferred.logits[:, 0].tolist() == list(range(10))

    assert sorted(map(len, played(story, workers=2).nursery.batches)) == [2, 4, 4]


def test_a_worker_that_dies_costs_nothing_and_each_request_is_tried_again_alone() -> None:
    def act(worker: int, items: list[list[Any]]) -> str:
        return "die" if worker == 1 else "answer"

    async def story(bench: Bench) -> None:
        asked = [asyncio.create_task(bench.networks.infer(slots(n, n + 10))) for n in (1, 2)]
        await asyncio.sleep(0.01)
        bench.nursery.gate.set()
        assert [(await one).logits[:, 0].tolist() for one in asked] == [[1, 11], [2, 12]]

    bench = played(story, act=act)
    assert bench.nursery.batches == [[1, 11], [1, 11], [2, 12]] or bench.nursery.batches[0] == [1, 11, 2, 12]
    assert Reason.RETRY in [one.reason for one in bench.news]
    assert bench.networks.deaths == {"crash": 1}
    assert bench.freed == Counter([1, 11, 2, 12])


def test_a_request_that_kills_two_workers_is_given_up_and_others_are_not() -> None:
    def act(worker: int, items: list[list[Any]]) -> str:
        return "die" if any(slot == 13 for _, slot, _ in items) else "answer"

    async def story(bench: Bench) -> None:
        bench.on_their_way = 1                  # so that they share a batch
        asked = [asyncio.create_task(bench.networks.infer(slots(n))) for n in (1, 13, 2)]
        bench.nursery.gate.set()
        outcomes = await asyncio.gather(*asked, return_exceptions=True)
        assert isinstance(outcomes[1], JobFailed)
        assert [outcomes[at].logits[0, 0] for at in (0, 2)] == [1, 2]      # pyright: ignore

    bench = played(story, act=act)
    assert bench.networks.deaths == {"crash": 2}
    assert bench.freed == Counter([1, 13, 2])


def test_a_worker_that_hangs_is_replaced() -> None:
    def act(worker: int, items: list[list[Any]]) -> str:
        return "hang" if worker == 1 else "answer"

    async def story(bench: Bench) -> None:
        bench.nursery.gate.set()
        assert (await bench.networks.infer(slots(5))).logits.tolist() == [[5, 0, 2]]

    assert played(story, act=act, limits=replace(LIMITS, seconds=0.5)).networks.deaths["timeout"] == 1


def test_a_worker_that_grows_is_replaced_while_the_others_answer() -> None:
    async def story(bench: Bench) -> None:
        bench.nursery.gate.set()
        await bench.networks.infer(slots(1))
        bench.nursery.memory = 1
        while bench.networks.pids != [2]:
            await asyncio.sleep(0.01)
        assert (await bench.networks.infer(slots(2))).logits[0, 2] == 2

    bench = played(story, memory=1000, limits=replace(LIMITS, memory_bytes=500))
    assert bench.networks.deaths == {"memory": 1}


def test_scaling_starts_and_retires_workers_and_drops_no_batch() -> None:
    async def story(bench: Bench) -> None:
        networks = bench.networks
        asked = [asyncio.create_task(networks.infer(slots(n))) for n in range(3)]
        await asyncio.sleep(0.01)
        await networks.scale(3)
        assert bench.nursery.started == 3
        await networks.scale(1)                 # the first is at work and stays
        bench.nursery.gate.set()
        assert [(await one).logits[0, 0] for one in asked] == [0, 1, 2]
        while len(networks.pids) > 1:
            await asyncio.sleep(0.01)
        await networks.scale(0)
        while networks.pids:
            await asyncio.sleep(0.01)
        assert not networks.deaths

    played(story)


def test_whoever_goes_away_is_dropped_from_the_queue_and_its_slots_are_given_back() -> None:
    async def story(bench: Bench) -> None:
        first = asyncio.create_task(bench.networks.infer(slots(1)))
        await asyncio.sleep(0.01)
        gone = asyncio.create_task(bench.networks.infer(slots(2, 3)))
        await asyncio.sleep(0.01)
        gone.cancel()
        first.cancel()                          # it is in a batch: its slot is free when that comes back
        await asyncio.sleep(0.01)
        bench.nursery.gate.set()
        assert (await bench.networks.infer(slots(4))).logits[0, 0] == 4

    bench = played(story)
    assert bench.nursery.batches == [[1], [4]]
    assert bench.freed == Counter([1, 2, 3, 4])


def test_a_model_that_cannot_be_loaded_says_so() -> None:
    async def story(bench: Bench) -> None:
        raise AssertionError("it cannot start")

    with pytest.raises(BadArchive, match="no such thing"):
        played(story, greeting={"error": "BadArchive", "message": "no such thing"})


def test_wishes_that_overlap_end_with_as_many_workers_as_the_last_one_says() -> None:
    async def story(bench: Bench) -> None:
        networks, nursery = bench.networks, bench.nursery
        nursery.door = asyncio.Event()
        scaling = [asyncio.create_task(networks.scale(2))]
        await until(lambda: nursery.started == 2)
        scaling.append(asyncio.create_task(networks.scale(4)))
        await until(lambda: nursery.started == 4)       # one was there, one is coming: two more
        scaling.append(asyncio.create_task(networks.scale(2)))
        await asyncio.sleep(0)
        nursery.door.set()
        await asyncio.gather(*scaling)
        await until(lambda: len(networks.pids) == 2)
        assert nursery.started == 4

    played(story)


async def until(condition: Callable[[], bool]) -> None:
    while not condition():
        await asyncio.sleep(0.01)
