"""A user's script, answered: processes that take one request at a time. One that dies or hangs is replaced."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

from tintype.errors import JobFailed, TimedOut, TintypeError
from tintype.serving.front.invocation import Answer, Invocation
from tintype.serving.front.surroundings import Surroundings
from tintype.serving.model_definition import ModelDefinition, PreparedModel
from tintype.serving.scripts.launch import ScriptLaunch, launch_of, timeout_seconds
from tintype.serving.settings import ServerSettings
from tintype.serving.workers.channel import Lost
from tintype.serving.workers.lost_files import end_front_if_gone
from tintype.serving.workers.nursery import Child, Nursery

FIRST_PAUSE, LONGEST_PAUSE = 0.5, 30.0      # seconds before a process is started again that did not come up

log = logging.getLogger("tintype.serving")


@final
@dataclass(eq=False)
class _Process:
    child: Child
    is_leaving: bool = False
    is_busy: bool = False
    was_killed: bool = False            # by us, as it took too long


def engine_of(
    definition: ModelDefinition, prepared: PreparedModel, settings: ServerSettings, around: Surroundings
) -> ScriptPath:
    """The processes of a user's script."""
    return ScriptPath(definition, prepared, settings, around.nursery, around.environments)


@final
class ScriptPath:
    """One script and its processes. One event loop uses it."""

    def __init__(
        self,
        definition: ModelDefinition,
        prepared: PreparedModel,
        settings: ServerSettings,
        nursery: Nursery,
        environments: Path,
    ) -> None:
        self._definition = definition
        self._prepared = prepared
        self._nursery = nursery
        self._environments = environments
        self._start_seconds = settings.start_seconds
        self._seconds = timeout_seconds(definition.environment)
        self._launch: ScriptLaunch | None = None
        self._processes: list[_Process] = []
        self._waiting: deque[tuple[float, asyncio.Future[_Process]]] = deque()
        self._wanted = 0
        self._starting = 0
        self._stopping = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._deaths: Counter[str] = Counter()          # "crash", "timeout"

    async def start(self, workers: int) -> None:
        """Install what the script requires, and start its processes.

        Raises `InvalidRequest` when something cannot be installed, `JobFailed` with the traceback when the script or
        its model does not load.
        """
        own = self._definition.environment
        asked = next((own[name] for name in WORKER_VARIABLES if own.get(name, "").isdecimal()), "")
        self._launch = await asyncio.to_thread(
            launch_of, self._definition, self._prepared, self._environments, log.info, dict(os.environ)
        )
        await self.scale(max(workers, int(asked or 0)))

    async def scale(self, workers: int) -> None:
        """Have that many processes. Raises as `start`."""
        self._wanted = workers
        present = [one for one in self._processes if not one.is_leaving]
        for process in present[workers:]:
            self._retire(process)
        await asyncio.gather(*(self._start_one() for _ in range(workers - len(present) - self._starting)))

    def stop(self) -> None:
        """End all processes now."""
        self._stopping = True
        for task in self._tasks:
            task.cancel()
        for process in self._processes:
            process.child.kill()

    async def invoke(self, invocation: Invocation) -> Answer:
        """The script's answer. Raises `TimedOut` when it takes too long, `JobFailed` when it dies on the request."""
        asked = time.perf_counter()
        process = await self._idle()
        waited = time.perf_counter() - asked
        header = {
            "type": invocation.content_type,
            "accept": invocation.accept,
            "request_id": invocation.request_id,
            "attributes": invocation.custom_attributes,
        }
        answered = process.child.channel.ask(header, invocation.body)
        timer = asyncio.get_running_loop().call_later(self._seconds, self._hung, process)
        answered.add_done_callback(lambda _: (timer.cancel(), self._freed(process)))
        try:
            told, content = await asyncio.shield(answered)      # who goes away does not end what the script is at
        except Lost as error:
            if process.was_killed:
                slow = f"the script did not answer within {self._seconds:g} s; its process was replaced"
                raise TimedOut(slow) from error
            raise JobFailed("the script's process died on this request; the endpoint's log says how") from error
        phases = {"queue": waited, "inference": float(told["seconds"])}
        return Answer(int(told["status"]), content, told["type"], phases, custom_attributes=told["attributes"])

    def facts(self) -> Mapping[str, Any]:
        """What can be seen of it now. Seconds."""
        return {
            "runtime": "script",
            "workers": [one.child.pid for one in self._processes if one.child.is_alive],
            "waiting": len(self._waiting),
            "at_work": sum(one.is_busy for one in self._processes),
            "oldest_waits": time.perf_counter() - self._waiting[0][0] if self._waiting else 0.0,
            "worker_deaths": dict(self._deaths),
        }

    async def _idle(self) -> _Process:
        """A process that is not busy; whoever came first gets the next one."""
        waiter: asyncio.Future[_Process] = asyncio.get_running_loop().create_future()
        self._waiting.append((time.perf_counter(), waiter))
        self._hand_out()
        try:
            return await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled():
                self._freed(waiter.result())
            raise

    def _hand_out(self) -> None:
        for process in self._processes:
            while self._waiting and self._waiting[0][1].done():
                self._waiting.popleft()
            if not self._waiting:
                return
            if not process.is_busy and not process.is_leaving and process.child.is_alive:
                process.is_busy = True
                self._waiting.popleft()[1].set_result(process)

    def _freed(self, process: _Process) -> None:
        process.is_busy = False
        if process.is_leaving:
            process.child.dismiss()
        self._hand_out()

    def _hung(self, process: _Process) -> None:
        log.error("the script's process %d did not answer within %g s", process.child.pid, self._seconds)
        process.was_killed = True
        process.child.kill()

    def _retire(self, process: _Process) -> None:
        process.is_leaving = True
        if not process.is_busy:
            process.child.dismiss()

    async def _start_one(self) -> None:
        self._starting += 1
        try:
            process = await self._started()
        finally:
            self._starting -= 1
        self._processes.append(process)
        process.child.channel.closed.add_done_callback(lambda _: self._died(process))
        if len([one for one in self._processes if not one.is_leaving]) > self._wanted:     # fewer are wanted by now
            self._retire(process)
        self._hand_out()

    async def _started(self) -> _Process:
        assert self._launch is not None  # noqa: S101 - `start` comes first
        child = await self._nursery.start("program", self._launch.to_options())
        try:
            told, _ = await asyncio.wait_for(child.channel.expect(), self._start_seconds)
        except Lost as error:
            raise JobFailed("the script's process ended before its model was loaded; the log says why") from error
        except TimeoutError as error:
            child.kill()
            raise JobFailed(f"the script had not loaded its model after {self._start_seconds:g} s") from error
        except asyncio.CancelledError:
            child.kill()
            raise
        if "error" in told:
            child.dismiss()
            raise JobFailed(told["message"], told["log"])
        return _Process(child)

    def _died(self, process: _Process) -> None:
        self._processes.remove(process)
        process.child.bury()
        if self._stopping or process.is_leaving:
            return
        self._deaths["timeout" if process.was_killed else "crash"] += 1
        task = asyncio.get_running_loop().create_task(self._restart())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _restart(self) -> None:
        pause = FIRST_PAUSE
        while not self._stopping and len([one for one in self._processes if not one.is_leaving]) < self._wanted:
            try:
                await self._start_one()
                return
            except TintypeError as error:
                log.error("the script could not be started again: %s", error)
                end_front_if_gone(self._prepared.model)
                await asyncio.sleep(pause)
                pause = min(2 * pause, LONGEST_PAUSE)


WORKER_VARIABLES = ("SAGEMAKER_MODEL_SERVER_WORKERS", "SAGEMAKER_TS_MIN_WORKERS")
