"""A channel: answers in order, whoever waits learns of an end, and nonsense ends it."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable

import pytest

from tintype.serving.workers.channel import Channel, Lost
from tintype.serving.workers.frames import LENGTHS, Link, packed


def with_channel(story: Callable[[Channel, socket.socket], Awaitable[None]]) -> None:
    async def run() -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            await story(await Channel.over(ours), theirs)

    asyncio.run(run())


def test_answers_come_in_order_in_pieces_and_together() -> None:
    async def story(channel: Channel, theirs: socket.socket) -> None:
        first, second, third = channel.ask({"n": 1}), channel.ask({"n": 2}, b"body"), channel.ask({"n": 3})
        assert channel.outstanding == 3
        link = Link(theirs)
        assert [await asyncio.to_thread(link.receive) for _ in range(3)] == [
            ({"n": 1}, b""), ({"n": 2}, b"body"), ({"n": 3}, b""),
        ]  # fmt: skip
        content = b"".join(packed({"to": n}, 2) + b"ab" for n in (1, 2, 3))
        for at in range(0, len(content), 7):
            theirs.sendall(content[at : at + 7])
            await asyncio.sleep(0)
        assert [(await one)[0]["to"] for one in (first, second, third)] == [1, 2, 3]
        assert (await first)[1] == b"ab"

    with_channel(story)


def test_an_answer_that_nobody_waits_for_is_passed_over() -> None:
    async def story(channel: Channel, theirs: socket.socket) -> None:
        first, second = channel.ask({}), channel.ask({})
        first.cancel()
        Link(theirs).send({"to": 1})
        Link(theirs).send({"to": 2})
        assert (await second)[0] == {"to": 2}

    with_channel(story)


def test_an_end_is_told_to_all_who_wait_and_to_whoever_comes_later() -> None:
    async def story(channel: Channel, theirs: socket.socket) -> None:
        waiting = [channel.ask({}), channel.expect()]
        theirs.close()
        for one in waiting:
            with pytest.raises(Lost):
                await one
        await channel.closed
        for later in (channel.ask({}), channel.expect()):
            with pytest.raises(Lost):
                await later

    with_channel(story)


@pytest.mark.parametrize(
    "nonsense",
    [LENGTHS.pack(1 << 30, 0), packed({}, 0) * 2, LENGTHS.pack(3, 0) + b"[1]"],
    ids=["long", "unasked", "list"],
)
def test_nonsense_ends_it(nonsense: bytes) -> None:
    async def story(channel: Channel, theirs: socket.socket) -> None:
        theirs.sendall(nonsense)
        await asyncio.wait_for(channel.closed, 5)

    with_channel(story)


@pytest.mark.parametrize("ended", [False, True])
def test_a_first_word_that_came_early_is_heard(ended: bool) -> None:
    async def story(channel: Channel, theirs: socket.socket) -> None:
        theirs.sendall(packed({"ready": 1}, 0))
        if ended:
            theirs.close()
            await channel.closed
        else:
            await asyncio.sleep(0.05)
        assert (await channel.expect())[0] == {"ready": 1}
        if ended:
            with pytest.raises(Lost):
                await channel.expect()

    with_channel(story)
