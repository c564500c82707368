"""A caller hangs up: before the work, in the middle of it, after it."""

from __future__ import annotations

import asyncio

import pytest
from starlette.requests import ClientDisconnect

from tintype.serving.front.caller import EXTENSION, Caller


def test_the_first_of_equal_fields_counts_but_for_lists_and_any_byte_is_read() -> None:
    caller = Caller([(b"host", b"a"), (b"x-name", b"caf\xe9"), (b"host", b"b"), (b"x-name", b"")])
    assert caller.headers == {"host": "a", "x-name": "caf\xe9"}
    caller = Caller([(b"accept", b"image/png"), (b"host", b"a"), (b"accept", b"text/csv;q=0.5"), (b"accept", b"")])
    assert caller.headers == {"accept": "image/png, text/csv;q=0.5, ", "host": "a"}


def test_the_scope_says_who_it_is_and_without_a_protocol_it_is_somebody() -> None:
    caller = Caller([])
    assert Caller.of({"headers": [(b"a", b"b")], "extensions": {EXTENSION: caller}}) is caller
    assert Caller.of({"headers": [(b"a", b"b")], "extensions": {"http.response.debug": {}}}).headers == {"a": "b"}
    assert Caller.of({"headers": [(b"a", b"b")]}).headers == {"a": "b"}


async def work(steps: list[str], answer: asyncio.Future[str]) -> str:
    steps.append("begun")
    try:
        return await answer
    finally:
        steps.append("ended")


def asked(caller: Caller, steps: list[str], answer: asyncio.Future[str]) -> asyncio.Task[str]:
    return asyncio.get_running_loop().create_task(caller.waits_for(work(steps, answer)))


def test_who_stays_gets_the_answer() -> None:
    async def scenario() -> None:
        caller, answer = Caller([]), asyncio.get_running_loop().create_future()
        task = asked(caller, [], answer)
        await asyncio.sleep(0)
        answer.set_result("a bee")
        assert await task == "a bee"
        caller.hangs_up()                       # later: that concerns nobody
        assert await caller.waits_for(asyncio.sleep(0, "begun after all")) == "begun after all"

    with pytest.raises(ClientDisconnect):       # but for what begins then, which is given up where it first waits
        asyncio.run(scenario())


@pytest.mark.parametrize("before", [True, False])
def test_who_goes_gives_the_work_up(before: bool) -> None:
    async def scenario() -> None:
        caller, steps, answer = Caller([]), list[str](), asyncio.get_running_loop().create_future()
        if before:
            caller.hangs_up()
        task = asked(caller, steps, answer)
        await asyncio.sleep(0)
        if not before:
            assert steps == ["begun"]
            caller.hangs_up()
        with pytest.raises(ClientDisconnect):
            await task
        assert steps == ["begun", "ended"]
        assert answer.cancelled()
        assert not task.cancelling()            # whatever comes after it is not cancelled as well

    asyncio.run(scenario())


def test_a_server_that_ends_is_no_caller_who_goes() -> None:
    async def scenario(goes: bool) -> None:
        caller, answer = Caller([]), asyncio.get_running_loop().create_future()
        task = asked(caller, [], answer)
        await asyncio.sleep(0)
        task.cancel()
        if goes:
            caller.hangs_up()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(scenario(goes=False))
    asyncio.run(scenario(goes=True))


def test_a_deadline_inside_stays_one() -> None:
    async def late() -> None:
        async with asyncio.timeout(0):
            await asyncio.get_running_loop().create_future()

    with pytest.raises(TimeoutError):
        asyncio.run(Caller([]).waits_for(late()))
