"""The way of a request: weights, names, rescue from replicas on trial, and onlookers that harm nobody."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.serving.stand_in import StandIn, asked
from tintype.errors import Busy, InvalidRequest, JobFailed
from tintype.serving.endpoints.config import ModelSource
from tintype.serving.front.invocation import Arrival
from tintype.serving.variants.live_endpoint import LiveEndpoint
from tintype.serving.variants.router import Route, blend
from tintype.serving.variants.running_variant import RunningVariant
from tintype.serving.variants.shadow import MOST_IN_FLIGHT, Shadow
from tintype.serving.watching.capture import Capture, CaptureConfig


def running(name: str, stand_in: StandIn) -> RunningVariant:
    return RunningVariant(name, ModelSource(archive=stand_in.label), stand_in, 1)


def test_weights_names_and_what_is_noted() -> None:
    async def main() -> None:
        live = LiveEndpoint()
        with pytest.raises(Busy, match="no replicas yet"):
            await live.invoke(asked())
        a, b = running("a", StandIn("ant")), running("b", StandIn("bee"))
        live.routes = (Route("a", 3, a), Route("b", 1, b))
        answers = Counter([(await live.invoke(asked(number))).variant for number in range(100)])
        assert abs(answers["a"] - 75) <= 2
        assert (await live.invoke(asked(target_variant="b"))).content == b"bee"
        with pytest.raises(InvalidRequest, match="no variant 'c'"):
            await live.invoke(asked(target_variant="c"))
        await asyncio.sleep(0)                  # what is noted of an answer is noted after it
        facts = live.facts()
        assert [round(one["share"], 2) for one in facts["variants"]] == [0.75, 0.25]
        assert facts["recent"][0]["labels"] == ("bee",)
        assert sum(one["requests"] for one in facts["variants"]) == 101
        assert a.drift.watched["prediction"].now == {"ant": answers["a"]}
        assert a.drift.watched["brightness"].now == {"0.5-0.6": answers["a"]}

    asyncio.run(main())


def test_it_lives_while_somebody_does_who_could_answer() -> None:
    live = LiveEndpoint()
    assert not live.is_alive
    a, b, spare = (StandIn(name, is_alive=False) for name in ("ant", "bee", "spare"))
    live.routes = (Route("a", 3, running("a", a)), Route("b", 1, running("b", b)), Route("c", 0, running("c", spare)))
    assert not live.is_alive
    spare.is_alive = True                       # nobody is sent there
    assert not live.is_alive
    b.is_alive = True
    assert live.is_alive
    b.is_alive = False
    live.fallback = (Route("a", 1, running("a", StandIn("old"))),)
    assert live.is_alive


def on_trial(new: StandIn, old: StandIn) -> LiveEndpoint:
    live = LiveEndpoint()
    before, after = running("v", old), running("v", new)
    live.fallback = (Route("v", 1, before),)
    live.routes = blend(live.fallback, (Route("v", 1, after),), 0.5)
    live.trial = frozenset({after})
    return live


def test_what_new_replicas_fail_old_ones_answer() -> None:
    async def main() -> None:
        live = on_trial(StandIn("new", broken=True), StandIn("old"))
        answers = [await live.invoke(asked(number)) for number in range(40)]
        assert {one.content for one in answers} == {b"old"}
        assert abs(live.rescued - 20) <= 2
        (new,) = live.trial
        assert new.window.errors == live.rescued
        live.fallback[0].to.replicas.broken = True          # nobody left to ask: that is an error
        with pytest.raises(JobFailed, match="old is broken"):
            [await live.invoke(asked(number)) for number in range(3)]

    asyncio.run(main())


def test_new_replicas_that_hang_cost_time_and_no_answer() -> None:
    async def main() -> None:
        live = on_trial(StandIn("new", seconds=600), StandIn("old"))
        live.trial_seconds = 0.05
        answers = await asyncio.gather(*(live.invoke(asked(number)) for number in range(10)))
        assert {one.content for one in answers} == {b"old"}     # and not after 600 s
        (new,) = live.trial
        assert new.window.errors == live.rescued > 0
        assert new.in_flight == 0

    asyncio.run(main())


def test_a_bad_request_is_nobody_s_failure() -> None:
    class Refusing(StandIn):
        async def invoke(self, invocation):
            raise InvalidRequest("no picture")

    async def main() -> None:
        live = on_trial(Refusing("new"), Refusing("old"))
        for number in range(10):
            with pytest.raises(InvalidRequest, match="no picture"):
                await live.invoke(asked(number))
        assert live.rescued == 0
        assert [route.to.window.errors for route in live.routes] == [0, 0]

    asyncio.run(main())


def test_who_has_room_is_known_before_a_body_is_here() -> None:
    live = LiveEndpoint()
    with pytest.raises(Busy, match="starting"):
        live.check_room(Arrival(60))
    full, free = StandIn("full", is_full=True), StandIn("free")
    live.routes = (Route("a", 1, running("a", full)), Route("b", 1, running("b", free)))
    let_in = 0
    for _ in range(40):                                 # each variant's requests find its own room
        with contextlib.suppress(Busy):
            live.check_room(Arrival(60))
            let_in += 1
            asyncio.run(live.invoke(asked()))
    assert full.asked == 0
    assert abs(free.asked - 20) <= 1
    with pytest.raises(Busy, match="full is full"):
        live.check_room(Arrival(60, "a"))
    live.check_room(Arrival(60, "b"))
    with pytest.raises(InvalidRequest, match="no variant 'c'"):
        live.check_room(Arrival(60, "c"))


def test_the_old_replicas_have_room_for_those_on_trial() -> None:
    new, old = StandIn("new", is_full=True), StandIn("old")
    live = on_trial(new, old)
    for _ in range(10):
        live.check_room(Arrival(60))
    old.is_full = True
    let_in = 0
    for _ in range(10):
        with contextlib.suppress(Busy):
            live.check_room(Arrival(60))
            let_in += 1
    assert let_in == 0


def test_who_is_turned_away_is_no_failure_of_the_model() -> None:
    class Full(StandIn):
        async def invoke(self, invocation):
            raise Busy("full", 1.0)

    async def main() -> None:
        one = running("v", Full("ant"))
        with pytest.raises(Busy):
            await one.invoke(asked())
        assert (one.window.requests, one.window.errors, one.in_flight) == (0, 0, 0)

    asyncio.run(main())


def test_retiring_waits_for_what_is_in_flight() -> None:
    async def main() -> None:
        stand_in = StandIn("ant", seconds=0.05)
        one = running("a", stand_in)
        request = asyncio.create_task(one.invoke(asked()))
        await asyncio.sleep(0.01)
        await one.retire(60)
        assert request.done()
        assert stand_in.stopped
        assert stand_in.cut_off == 0
        hanging = running("b", StandIn("bee", seconds=60))
        request = asyncio.create_task(hanging.invoke(asked()))
        await asyncio.sleep(0.01)
        await hanging.retire(0.05)
        assert hanging.replicas.cut_off == 1
        request.cancel()

    asyncio.run(main())


def test_a_shadow_delays_nobody() -> None:
    async def main() -> None:
        live = LiveEndpoint()
        live.routes = (Route("v", 1, running("v", StandIn("ant"))),)
        stuck = StandIn("bee", gate=asyncio.Event())
        slow = Shadow(running("s", stuck), 100)
        live.shadows = {"s": slow}
        for number in range(20):
            assert (await live.invoke(asked(number))).content == b"ant"
        await asyncio.sleep(0)
        assert slow.passed_over == 20 - MOST_IN_FLIGHT
        stuck.gate.set()
        while slow.compared < MOST_IN_FLIGHT:
            await asyncio.sleep(0)
        assert slow.facts(time.monotonic())["agreement"] == 0
        await slow.retire(0)

    asyncio.run(main())


def test_a_shadow_gets_its_percentage_and_its_failures_are_its_own(caplog) -> None:
    async def main() -> None:
        live = LiveEndpoint()
        live.routes = (Route("v", 1, running("v", StandIn("ant"))),)
        shadow = Shadow(running("s", StandIn("ant", broken=True)), 30)
        live.shadows = {"s": shadow}
        for number in range(100):
            assert (await live.invoke(asked(number))).status == 200
            await asyncio.sleep(0)
        while shadow.running.window.requests < 30:
            await asyncio.sleep(0)
        assert shadow.running.window.requests == shadow.running.window.errors == 30
        assert shadow.facts(time.monotonic())["agreement"] is None

    asyncio.run(main())
    assert "Traceback" not in caplog.text


def test_a_capture_that_breaks_is_logged_and_no_more(tmp_path: Path, monkeypatch, caplog) -> None:
    async def main() -> None:
        live = LiveEndpoint()
        live.routes = (Route("v", 1, running("v", StandIn("ant"))),)
        live.capture = Capture(tmp_path, CaptureConfig())
        assert (await live.invoke(asked())).status == 200
        await asyncio.sleep(0)
        monkeypatch.setattr(live.capture, "offer", lambda *_: 1 / 0)
        assert (await live.invoke(asked())).status == 200
        live.capture.close()

    asyncio.run(main())
    assert "could not be noted" in caplog.text
    assert len(list(tmp_path.rglob("*.jsonl"))) == 1
