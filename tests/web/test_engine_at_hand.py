"""The engine stays with the server, and comes back when it is killed."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil

from tintype.jobs.rendezvous import Rendezvous
from tintype.settings import Settings
from tintype.web.context import Context
from tintype.web.engine_at_hand import engine_at_hand
from tintype.web.server import make_context
from tintype.workspace import open_workspace

SECONDS = 120.0


def agent_of(home: Path) -> int | None:
    """The process id of the agent, None when there is none that takes clients."""
    connection = Rendezvous(home).connect()
    if connection is None:
        return None
    connection.close()
    agents = psutil.process_iter(["cmdline"])
    return next((one.pid for one in agents if {"tintype.jobs", str(home)} <= set(one.info["cmdline"] or ())), None)


async def until(what: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + SECONDS
    while not (found := what()):
        assert time.monotonic() < deadline
        await asyncio.sleep(0.05)
    return found


async def lived(context: Context) -> None:
    home = context.workspace.home
    async with engine_at_hand(context):
        first = await until(lambda: agent_of(home))
        with context.workspace.engine() as engine:          # somebody comes and goes
            engine.settle()
        await asyncio.sleep(0.3)
        assert agent_of(home) == first
        os.kill(first, signal.SIGKILL)
        await until(lambda: agent_of(home) not in (None, first))
    await until(lambda: agent_of(home) is None)


def test_the_engine_stays_with_the_server(tmp_path: Path) -> None:
    with open_workspace(Settings(home=tmp_path / "home")) as workspace:
        asyncio.run(lived(make_context(workspace, "http://127.0.0.1:1")))
