"""Decoders: pictures into slots; deaths, hangs and bad bodies cost one request. Real processes."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import signal
import socket
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import final

import numpy as np
import pytest

from tests.serving.running_server import PATIENCE_SECONDS
from tests.serving.tiny_archive import PREPROCESSING, SIZE
from tintype.errors import BadImage, InvalidRequest, TooLarge, Unsupported
from tintype.serving.content.arrays import write_npy
from tintype.serving.workers.channel import Channel
from tintype.serving.workers.decoders import Decoded, DecoderLimits, Decoders
from tintype.serving.workers.nursery import Child, Nursery
from tintype.serving.workers.slots import Fill, Slots, SlotShape

SHAPE = SlotShape(20, SIZE)
LIMITS = DecoderLimits(memory_bytes=256 << 20, seconds=2, max_pixels=4_000_000, images_per_request=4)
Story = Callable[[Decoders], Awaitable[None]]


def with_decoders(story: Story, limits: DecoderLimits = LIMITS, count: int = 2) -> Decoders:
    async def run() -> Decoders:
        nursery = Nursery()
        decoders = Decoders(nursery, PREPROCESSING.to_json(), SHAPE, limits, count)
        try:
            await decoders.start()
            await asyncio.wait_for(story(decoders), PATIENCE_SECONDS)
        finally:
            decoders.stop()
            nursery.close()
            await asyncio.sleep(0.01)       # transports close when the loop turns
        return decoders

    return asyncio.run(run())


def pixels_of(decoders: Decoders, decoded: Decoded) -> list[np.ndarray]:
    regions = [Slots(one, SHAPE, writable=False) for one in decoders.descriptors]
    return [
        (regions[one.region].pixels if one.fill is Fill.PIXELS else regions[one.region].tensor)(one.slot).copy()
        for one in decoded.placed
    ]


def test_pictures_pixels_and_tensors_arrive_as_the_preprocessing_makes_them(picture) -> None:
    rgb = np.random.default_rng(0).integers(0, 255, (3, 20, 30, 3), np.uint8)
    tensor = np.random.default_rng(1).normal(size=(2, 3, SIZE, SIZE)).astype(np.float32)

    async def story(decoders: Decoders) -> None:
        content = picture("JPEG", (10, 200, 30))
        decoded = await decoders.decode("image/jpeg", content)
        np.testing.assert_array_equal(pixels_of(decoders, decoded), [PREPROCESSING.decode(content)])
        assert decoded.brightness == (round(PREPROCESSING.decode(content).mean() / 255, 4),)
        assert decoded.seconds > 0
        several = await decoders.decode("application/x-npy", write_npy(rgb))
        np.testing.assert_array_equal(pixels_of(decoders, several), [PREPROCESSING.apply(one) for one in rgb])
        floats = await decoders.decode("application/x-npy", write_npy(tensor))
        np.testing.assert_array_equal(pixels_of(decoders, floats), tensor)
        assert floats.brightness[0] == pytest.approx(tensor[0].mean() * 0.25 + 0.5, abs=1e-3)

    with_decoders(story)


def test_refusals_are_told_apart(picture) -> None:
    async def story(decoders: Decoders) -> None:
        for content_type, body, kind, message in [
            ("image/png", b"", InvalidRequest, "no body"),
            ("image/png", b"GIF? no", BadImage, "not an image"),
            ("text/html", b"x", Unsupported, "text/html"),
            ("image/png", picture(size=(2001, 2000)), TooLarge, "4,000,000"),
            ("application/x-npy", write_npy(np.zeros((5, 2, 2, 3), np.uint8)), TooLarge, "limit is 4"),
            ("application/x-npy", write_npy(np.zeros((3, 9, 9), np.float32)), InvalidRequest, "takes tensors"),
        ]:
            with pytest.raises(kind, match=message):
                await decoders.decode(content_type, body)

    assert not with_decoders(story).deaths


def test_of_several_pictures_the_bad_one_is_named(picture) -> None:
    texts = [base64.b64encode(one).decode() for one in (picture(), b"GIF? no", picture())]

    async def story(decoders: Decoders) -> None:
        with pytest.raises(BadImage, match=r"^picture 2 of 3: not an image"):
            await decoders.decode("application/json", json.dumps({"instances": texts}).encode())
        good = await decoders.decode("application/json", json.dumps({"instances": texts[::2]}).encode())
        assert len(good.placed) == 2

    assert not with_decoders(story).deaths


def test_urls_are_for_somebody_else() -> None:
    async def story(decoders: Decoders) -> None:
        assert (await decoders.decode("application/json", b'{"url": "http://a/b"}')).urls == ("http://a/b",)
        with pytest.raises(InvalidRequest, match="all of its pictures or none"):
            await decoders.decode("application/json", b'{"instances": [{"url": "http://a/b"}, [[[1, 2, 3]]]]}')

    with_decoders(story)


def test_slots_are_used_again_and_a_full_region_makes_others_wait(picture) -> None:
    async def story(decoders: Decoders) -> None:
        held = [await decoders.decode("image/png", picture()) for _ in range(17)]       # room for 20, less 4 a request
        late = asyncio.create_task(decoders.decode("image/png", picture()))
        await asyncio.sleep(0.1)
        assert not late.done()
        decoders.free(held.pop().placed[0])
        decoded = await late
        for one in [*held, decoded]:
            decoders.free(one.placed[0])
        for _ in range(200):
            decoded = await decoders.decode("image/png", picture())
            assert decoded.placed[0].slot < 20
            decoders.free(decoded.placed[0])

    with_decoders(story, count=1)


def test_a_decoder_that_somebody_kills_costs_nothing(picture) -> None:
    async def story(decoders: Decoders) -> None:
        for pid in decoders.pids:
            os.kill(pid, signal.SIGSTOP)
        asked = [asyncio.create_task(decoders.decode("image/png", picture())) for _ in range(6)]
        await asyncio.sleep(0.05)                   # two with each decoder, two waiting
        for pid in decoders.pids:
            os.kill(pid, signal.SIGKILL)
        for one in asked:
            decoders.free((await one).placed[0])

    assert with_decoders(story, replace(LIMITS, seconds=30)).deaths == {"crash": 2}


@final
class FragileNursery:
    """Its decoders end as soon as they are sent anything, the way they are told to."""

    def __init__(self, code: int) -> None:
        self.code = code
        self.children: list[Child] = []

    async def start(self, kind: str, options: object, descriptors: object) -> Child:
        ours, theirs = socket.socketpair()
        ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        child = Child(self, len(self.children), await Channel.over(ours), ended)       # pyright: ignore
        asyncio.get_running_loop().add_reader(theirs, self._die, theirs, ended)
        self.children.append(child)
        return child

    def _die(self, theirs: socket.socket, ended: asyncio.Future[int]) -> None:
        asyncio.get_running_loop().remove_reader(theirs)
        theirs.close()
        ended.set_result(self.code)

    def bury(self, pid: int) -> None:
        pass

    kill = bury


@pytest.mark.parametrize(
    ("code", "message", "decoders", "why"),
    [(-signal.SIGSEGV, "brings its decoder down", 3, "crash"), (-signal.SIGXCPU, "more than 2 s", 2, "timeout")],
)
def test_a_picture_that_kills_its_decoders_is_refused(code: int, message: str, decoders: int, why: str) -> None:
    async def story() -> None:
        nursery = FragileNursery(code)
        pool = Decoders(nursery, PREPROCESSING.to_json(), SHAPE, LIMITS, 1)     # pyright: ignore
        await pool.start()
        with pytest.raises(BadImage, match=message):
            await pool.decode("image/png", b"poison")
        while len(nursery.children) < decoders:
            await asyncio.sleep(0)
        assert len(nursery.children) == decoders
        assert pool.deaths == {why: decoders - 1}
        pool.stop()
        await asyncio.sleep(0.01)

    asyncio.run(story())


def test_what_takes_too_long_is_killed_and_what_waited_behind_it_is_not_harmed(picture) -> None:
    async def story(decoders: Decoders) -> None:
        os.kill(decoders.pids[0], signal.SIGSTOP)
        stuck = asyncio.create_task(decoders.decode("image/png", picture()))
        behind = asyncio.create_task(decoders.decode("image/png", picture()))
        with pytest.raises(BadImage, match=r"more than 1 s"):
            await stuck
        assert (await behind).placed

    assert with_decoders(story, replace(LIMITS, seconds=1), count=1).deaths == {"timeout": 1}


def test_memory_that_runs_out_is_a_refusal(picture) -> None:
    large = picture("PNG", size=(1900, 1900))

    async def story(decoders: Decoders) -> None:
        with pytest.raises(TooLarge, match="more memory"):
            await decoders.decode("image/png", large)
        small = await decoders.decode("image/png", picture())
        assert small.placed

    assert not with_decoders(story, replace(LIMITS, memory_bytes=4 << 20), count=1).deaths["crash"]


def test_whoever_goes_away_leaves_no_slot_taken(picture) -> None:
    async def story(decoders: Decoders) -> None:
        for _ in range(60):
            asked = asyncio.create_task(decoders.decode("image/png", picture()))
            await asyncio.sleep(0)
            asked.cancel()
        for _ in range(4):
            assert (await decoders.decode("image/png", picture())).placed

    with_decoders(story, count=1)


def test_pictures_that_come_as_their_caller_goes_give_their_slots_back(picture) -> None:
    async def story(decoders: Decoders) -> None:
        for _ in range(2 * SHAPE.count):
            asked = asyncio.create_task(decoders.decode("image/png", picture()))
            await asyncio.sleep(0)
            while decoders.busy:
                await asyncio.sleep(0)
            asked.cancel()                      # its pictures are here, and it has not run since
            with pytest.raises(asyncio.CancelledError):
                await asked
        assert (await decoders.decode("image/png", picture())).placed

    with_decoders(story, count=1)
