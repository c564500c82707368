"""Blocks in their order into a thread."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tintype.web.s3.lane import MOST_WAITING, Lane

BLOCKS = [bytes([number]) for number in range(40)]


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(4) as pool:
        yield pool


def test_blocks_come_in_their_order_whatever_else_the_threads_do(threads: ThreadPoolExecutor) -> None:
    taken: list[list[bytes]] = [[] for _ in range(8)]

    async def fill() -> None:
        lanes = [Lane(each.append, threads) for each in taken]
        for block in BLOCKS:
            for lane in lanes:
                await lane.put(block)
        for lane in lanes:
            await lane.finish()

    asyncio.run(fill())
    assert taken == [BLOCKS] * 8


def test_who_is_faster_than_the_thread_waits(threads: ThreadPoolExecutor) -> None:
    gate = threading.Event()
    taken: list[bytes] = []

    def work(block: bytes) -> None:
        gate.wait()
        taken.append(block)

    async def fill() -> int:
        lane = Lane(work, threads)
        brought = 0

        async def bring() -> None:
            nonlocal brought
            for block in BLOCKS:
                await lane.put(block)
                brought += 1

        bringing = asyncio.ensure_future(bring())
        while brought <= MOST_WAITING:
            await asyncio.sleep(0)
        for _ in range(100):                    # it would bring more now if it could
            await asyncio.sleep(0)
        held = brought
        gate.set()
        await bringing
        await lane.finish()
        return held

    assert asyncio.run(fill()) == MOST_WAITING + 1      # and the one that is at work
    assert taken == BLOCKS


def test_an_error_reaches_who_brings_the_next(threads: ThreadPoolExecutor) -> None:
    def work(block: bytes) -> None:
        raise OSError(f"no room for {block!r}")

    async def fill() -> None:
        lane = Lane(work, threads)
        for block in BLOCKS:
            await lane.put(block)
        await lane.finish()

    with pytest.raises(OSError, match="no room for"):
        asyncio.run(fill())


def test_a_lane_that_is_abandoned_waits_for_its_thread_alone(threads: ThreadPoolExecutor) -> None:
    gate, taken = threading.Event(), []

    def work(block: bytes) -> None:
        gate.wait()
        taken.append(block)

    async def fill() -> None:
        lane = Lane(work, threads)
        await lane.put(BLOCKS[0])
        waiting = asyncio.ensure_future(lane.finish())
        await asyncio.sleep(0)
        await lane.put(BLOCKS[1])
        waiting.cancel()                        # the client is gone
        await asyncio.gather(waiting, return_exceptions=True)
        assert taken == []
        threads.submit(gate.set)
        await lane.abandon()
        assert taken == BLOCKS[:1]

    asyncio.run(fill())
