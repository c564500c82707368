"""The fork server and its front's end: real processes."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import psutil
import pytest

from tests.serving.running_server import PATIENCE_SECONDS
from tintype.jobs.processes import is_running
from tintype.serving.workers.channel import Lost
from tintype.serving.workers.nursery import MODULE, Child, Nursery

# Echoes what it is asked, and can be told to start something that outlives it.
PROGRAM = """
import os, socket, subprocess, sys
from tintype.serving.workers.frames import Link
link = Link(socket.socket(fileno=int(os.environ["TINTYPE_LINK"])))
while (asked := link.receive()) is not None:
    header, body = asked
    if header.get("start"):
        header["pid"] = subprocess.Popen(["sleep", "1000"]).pid
    header["descriptors"] = sorted(map(int, os.listdir("/proc/self/fd")))
    link.send(header, body)
"""


def options_of(tmp_path: Path) -> dict[str, object]:
    path = tmp_path / "program.py"
    path.write_text(PROGRAM)
    return {
        "arguments": [sys.executable, str(path)],
        "environment": {**os.environ, "PYTHONPATH": ":".join(sys.path)},
        "directory": str(tmp_path),
    }


def with_nursery(story: Callable[[Nursery], Awaitable[None]]) -> None:
    async def run() -> None:
        nursery = Nursery()
        try:
            await asyncio.wait_for(story(nursery), PATIENCE_SECONDS)
        finally:
            nursery.close()
            await asyncio.sleep(0.01)       # transports close when the loop turns

    asyncio.run(run())


async def gone(pid: int) -> None:
    while is_running(pid):
        await asyncio.sleep(0.01)


async def program(nursery: Nursery, tmp_path: Path) -> Child:
    return await nursery.start("program", options_of(tmp_path))


def test_a_program_is_asked_and_sees_nothing_of_the_nursery(tmp_path: Path) -> None:
    async def story(nursery: Nursery) -> None:
        child = await program(nursery, tmp_path)
        header, body = await child.channel.ask({"a": 1}, b"x" * 500_000)
        assert (header["a"], len(body)) == (1, 500_000)
        assert len(header["descriptors"]) <= 5          # 0, 1, 2, the link, and the listing itself
        child.dismiss()
        await gone(child.pid)

    with_nursery(story)


def test_a_kill_takes_what_the_process_has_started(tmp_path: Path) -> None:
    async def story(nursery: Nursery) -> None:
        child = await program(nursery, tmp_path)
        grandchild = (await child.channel.ask({"start": True}))[0]["pid"]
        child.kill()
        await gone(child.pid)
        await gone(grandchild)

    with_nursery(story)


def test_a_death_takes_what_the_process_has_started(tmp_path: Path) -> None:
    async def story(nursery: Nursery) -> None:
        child = await program(nursery, tmp_path)
        grandchild = (await child.channel.ask({"start": True}))[0]["pid"]
        os.kill(child.pid, signal.SIGKILL)
        with pytest.raises(Lost):
            await child.channel.ask({})
        await gone(grandchild)

    with_nursery(story)


def test_a_nursery_that_dies_takes_its_children_and_is_replaced(tmp_path: Path) -> None:
    async def story(nursery: Nursery) -> None:
        child = await program(nursery, tmp_path)
        server = psutil.Process(child.pid).ppid()
        os.kill(server, signal.SIGKILL)
        await child.channel.closed
        await gone(child.pid)
        again = await program(nursery, tmp_path)
        assert psutil.Process(again.pid).ppid() != server
        assert (await again.channel.ask({"b": 2}))[0]["b"] == 2

    with_nursery(story)


def test_many_come_and_go_and_leave_no_zombie(tmp_path: Path) -> None:
    async def story(nursery: Nursery) -> None:
        children = await asyncio.gather(*(program(nursery, tmp_path) for _ in range(8)))
        server = psutil.Process(children[0].pid).parent()
        assert server
        for number, child in enumerate(children):
            child.kill() if number % 2 else child.dismiss()
        for child in children:
            await gone(child.pid)
        while server.children():                # the spare has gone too, as programs were wanted
            await asyncio.sleep(0.01)

    with_nursery(story)


def test_one_that_has_ended_before_anybody_could_hear_of_it_has_been_started_all_the_same(tmp_path: Path) -> None:
    async def story(nursery: Nursery) -> None:
        options = {**options_of(tmp_path), "arguments": ["/bin/sh", "-c", "exit 3"]}
        starting = asyncio.create_task(nursery.start("program", options))
        await asyncio.sleep(0)                      # it is ordered; now this loop stands still, as on a busy machine
        (server,) = [one for one in psutil.Process().children() if MODULE in one.cmdline()]
        while not server.children():
            time.sleep(0.01)
        while server.children():
            time.sleep(0.01)
        child = await starting
        assert await child.ended == 3
        with pytest.raises(Lost):
            await child.channel.expect()

    with_nursery(story)
